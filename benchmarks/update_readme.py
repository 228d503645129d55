"""Print the README's tables from paper.py and the measurements beside this file.

python benchmarks/update_readme.py           # rewrites README.md
python benchmarks/update_readme.py --check   # fails if it would change
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from convnext_dense import paper

HERE = Path(__file__).parent
README = HERE.parent / 'README.md'


def published() -> str:
    lines = [
        '| arch | trained on | resolution | parameters | FLOPs (MACs, as the paper counts) | top-1 |',
        '| --- | --- | --- | --- | --- | --- |',
    ]
    groups = (
        ('ImageNet-1k', paper.CONVNEXT_1K),
        ('ImageNet-22k, then 1k', paper.CONVNEXT_22K_TO_1K),
        ('V2: ImageNet-1k, after FCMAE', paper.CONVNEXTV2_1K),
    )
    for data, rows in groups:
        for row in rows:
            lines.append(
                f'| {row.arch} | {data} | {row.resolution} | {row.params:g}M | {row.macs:g}G | {row.top1:.1f} |'
            )
    return '\n'.join(lines)


def sample() -> str:
    results = [r for r in _results() if 'raw/top1' in r['metrics']]
    lines = [
        '| config | top-1 on 960 unseen pictures, raw / EMA weights | whole command |',
        '| --- | --- | --- |',
    ]
    for result in results:
        top1 = ' / '.join(f'{result["metrics"][f"{kind}/top1"]:.1f}' for kind in ('raw', 'ema'))
        lines.append(f'| `{result["config"]} --data sample` | {top1} | {_time(result)} |')
    return '\n'.join([*lines, '', f'{_measured(results[0])} Chance is 8.3.'])


def sample_dense() -> str:
    results = [r for r in _results() if 'raw/top1' not in r['metrics']]
    lines = [
        '| config | backbone | on unseen pictures | whole command |',
        '| --- | --- | --- | --- |',
    ]
    for result in results:
        metrics = result['metrics']
        start = 'trained by `convnext_a.py --data sample`' if result['pretrained'] else 'random'
        if 'raw/mIoU' in metrics:
            said = f'mIoU {metrics["raw/mIoU"]:.1f}'
        else:
            said = f'box AP50 {metrics["raw/box_AP50"]:.1f}, mask AP50 {metrics["raw/mask_AP50"]:.1f}'
        said += f' (of {metrics["raw/images"]})'
        lines.append(f'| `{result["config"]} --data sample` | {start} | {said} | {_time(result)} |')
    return '\n'.join([*lines, '', _measured(results[0])])


def _results() -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted(HERE.glob('sample_*.json'))]


def _time(result: dict) -> str:
    environment = result['environment']
    threads = f'{environment["threads"]} thread{"s" if environment["threads"] > 1 else ""}'
    return f'{result["seconds"] / 60:.1f} min, {threads}, load {environment["load"]}'


def _measured(result: dict) -> str:
    environment = result['environment']
    return (
        f'Measured with `benchmarks/sample_accuracy.py` on {environment["cores"]} cores of {environment["cpu"]}, '
        f'without a GPU, torch {environment["torch"]}, Python {environment["python"]}; the sample was there already. '
        'A load above 2 means that other work shared the cores: on idle ones it is faster.'
    )


def published_dense() -> str:
    lines = [
        '| model | backbone | trained on | parameters | FLOPs (MACs, as the paper counts) | result |',
        '| --- | --- | --- | --- | --- | --- |',
    ]
    groups = (
        ('Mask R-CNN, COCO', paper.MASK_RCNN_COCO, 'box AP {}, mask AP {}'),
        ('Cascade Mask R-CNN, COCO', paper.CASCADE_COCO, 'box AP {}, mask AP {}'),
        ('UPerNet, ADE20K', paper.UPERNET_ADE20K, 'mIoU {} single-scale, {} multi-scale'),
    )
    for model, rows, result in groups:
        for row in rows:
            said = result.format(*row.scores)
            lines.append(f'| {model} | {row.arch} | {row.data} | {row.params:g}M | {row.macs:g}G | {said} |')
    return '\n'.join(lines)


TABLES = {
    'published': published,
    'published dense': published_dense,
    'sample': sample,
    'sample dense': sample_dense,
}


def update(text: str) -> str:
    for name, table in TABLES.items():
        pattern = rf'(<!-- table: {name} -->\n).*?(<!-- end -->)'
        text = re.sub(pattern, lambda match, table=table: f'{match[1]}{table()}\n{match[2]}', text, flags=re.DOTALL)
    return text


if __name__ == '__main__':
    old = README.read_text()
    new = update(old)
    if sys.argv[1:] == ['--check']:
        sys.exit(0 if new == old else 'README.md is not what its measurements say: run benchmarks/update_readme.py')
    README.write_text(new)
