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
        '| config | top-1 on 960 unseen images, raw / EMA weights | whole command |',
        '| --- | --- | --- |',
    ]
    for result in results:
        top1 = ' / '.join(f'{result["metrics"][f"{kind}/top1"]:.1f}' for kind in ('raw', 'ema'))
        lines.append(f'| `{result["config"]} --data sample` | {top1} | {_time(result)} |')
    return '\n'.join([*lines, '', f'{_measured(results[0])} Chance is 8.3.'])


def sample_dense() -> str:
    results = [r for r in _results() if 'raw/top1' not in r['metrics']]
    lines = [
        '| config | backbone | on unseen images | whole command |',
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
        f'Measured with `benchmarks/sample_accuracy.py` on {_machine(environment)}; the sample was there already. '
        'A load above 2 means that other work shared the cores: on idle ones it is faster.'
    )


def _machine(environment: dict) -> str:
    gpu = f'with {environment["gpu"]}' if environment['gpu'] else 'without a GPU'
    return (
        f'{environment["cores"]} cores of {environment["cpu"]}, {gpu}, torch {environment["torch"]}, '
        f'Python {environment["python"]}'
    )


LIBRARIES = ('torchvision', 'timm', 'transformers')
USED = {  # by what tools/benchmark.py measures: whose versions the README names
    'forward': LIBRARIES,
    'train': LIBRARIES,
    'loader': ('torchvision', 'timm', 'pillow'),
    'eval': ('onedl-mmsegmentation', 'onedl-mmdetection', 'faster-coco-eval', 'pycocotools'),
    'detector': ('torchvision', 'timm', 'onedl-mmcv', 'onedl-mmdetection'),
    'segmentor': ('torchvision', 'timm', 'onedl-mmcv', 'onedl-mmsegmentation'),
}


def throughput(results: list[dict] | None = None) -> str:
    """A row for each thing and type that tools/benchmark.py measured of ours."""
    if results is None:
        results = [json.loads(path.read_text()) for path in sorted(HERE.glob('throughput_*.json'))]
    if not results:
        return 'Not measured yet.'
    lines = ['| what | ours, quartiles | times as fast as others | memory |', '| --- | --- | --- | --- |']
    for result in results:
        compiled = ', compiled' if result['setting']['compiled'] else ''
        for series in result['series']:
            timed = [row for row in series['rows'] if 'rate' in row]
            for own in (row for row in timed if row['name'] == 'ours'):
                peers = [row for row in timed if row['name'] != 'ours']
                rate, dtype = own['rate'], f', {own["dtype"]}' if own['dtype'] else ''
                cells = [
                    f'{series["what"]}: {series["about"]}{dtype}{compiled}',
                    f'{_short(rate["median"])} {series["unit"]}, {_short(rate["lower_quartile"])} to '
                    f'{_short(rate["upper_quartile"])}',
                    ', '.join(f'{peer["ours_is_faster"][_label(own)]:.2f} x {_label(peer)}' for peer in peers),
                    next((_memory(own, peer) for peer in peers if own['memory'] and peer['memory']), '-'),
                ]
                lines.append(f'| {" | ".join(cells)} |')
    for machine in dict.fromkeys(map(_measured_throughput, results)):
        lines += ['', machine]
    return '\n'.join(lines)


def _short(rate: float) -> str:
    return f'{rate:,.0f}' if rate >= 1000 else f'{rate:.3g}'


def _label(row: dict) -> str:
    return f'{row["name"]} {row["dtype"]}'.strip()


def _memory(own: dict, peer: dict) -> str:
    return f'{own["memory"] / 2**20:.0f} MiB, {own["memory"] / peer["memory"]:.2f} x {_label(peer)}'


def _measured_throughput(result: dict) -> str:
    environment = result['environment']
    used = dict.fromkeys(name for what in result['setting']['what'] for name in USED[what])
    versions = ', '.join(f'{name} {environment[name]}' for name in used if environment.get(name))
    return (
        f'Measured with `{result["command"]}` on {_machine(environment)}, {versions}; '
        f'threads {environment["threads"]}, load at the start {environment["load"]}, {environment["date"]}.'
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
    'throughput': throughput,
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
