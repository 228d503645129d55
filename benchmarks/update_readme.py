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
    results = [json.loads(path.read_text()) for path in sorted(HERE.glob('sample_*.json'))]
    lines = [
        '| config | top-1 on 960 unseen pictures, raw / EMA weights | whole command |',
        '| --- | --- | --- |',
    ]
    for result in results:
        top1 = ' / '.join(f'{result["metrics"][f"{kind}/top1"]:.1f}' for kind in ('raw', 'ema'))
        lines.append(f'| `{result["config"]} --data sample` | {top1} | {result["seconds"] / 60:.1f} min |')
    if results:
        environment = results[0]['environment']
        lines += [
            '',
            f'Measured with `benchmarks/sample_accuracy.py` on {environment["cores"]} cores of {environment["cpu"]}, '
            f'without a GPU, torch {environment["torch"]}, Python {environment["python"]}; the sample was there '
            'already. Chance is 8.3.',
        ]
    return '\n'.join(lines)


def update(text: str) -> str:
    for name, table in (('published', published), ('sample', sample)):
        pattern = rf'(<!-- table: {name} -->\n).*?(<!-- end -->)'
        text = re.sub(pattern, lambda match, table=table: f'{match[1]}{table()}\n{match[2]}', text, flags=re.DOTALL)
    return text


if __name__ == '__main__':
    old = README.read_text()
    new = update(old)
    if sys.argv[1:] == ['--check']:
        sys.exit(0 if new == old else 'README.md is not what its measurements say: run benchmarks/update_readme.py')
    README.write_text(new)
