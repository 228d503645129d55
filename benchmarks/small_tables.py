"""The tables of benchmarks/small_recipe.py, for :mod:`.update_tables`."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.measurements import HERE, machine

COMMAND = 'python benchmarks/small_recipe.py'
STARTS = {'pretrained': 'a backbone of other classes', 'random': 'random weights'}


def small_recipe(path: Path = HERE / 'small_recipe.json') -> str:
    """Return the table of results on few images by the paper's settings and by ``--recipe small``."""
    content = json.loads(path.read_text()) if path.exists() else {'runs': []}
    found: dict[tuple, dict[str, list[float]]] = {}
    for one in content['runs']:
        if not one['scan']:
            key = one['task'], one['start'], one['images'], one['passes'], one['metric']
            found.setdefault(key, {}).setdefault(one['recipe'], []).append(one['values']['raw'])
    rows = [(key, values) for key, values in sorted(found.items()) if len(values) == 2]
    if not rows:
        return f'Not measured yet: `{COMMAND}`.'
    lines = ['| task | from | images | seen | metric | paper | small |', '| --- | --- | --- | --- | --- | --- | --- |']
    for (task, start, images, passes, metric), values in rows:
        cells = [_with_range(values[name]) for name in ('paper', 'small')]
        row = [task, STARTS[start], f'{images:,}', f'{passes:,}', metric, *cells]
        lines.append(f'| {" | ".join(row)} |')
    seeds = max(len(values['small']) for _, values in rows)
    lines += [
        '',
        f'Measured with `{COMMAND}` on ConvNeXt-A, mean and range of up to {seeds} seeds, on '
        f'{machine(content["environment"])}.',
    ]
    return '\n'.join(lines)


def small_scan(path: Path = HERE / 'small_recipe.json') -> str:
    """Return the table of batches and learning rates beside those of the rule, from which its constants are."""
    content = json.loads(path.read_text()) if path.exists() else {'runs': []}
    scanned = [one for one in content['runs'] if one['scan']]
    if not scanned:
        return f'Not measured yet: `{COMMAND} --scan`.'
    columns = sorted({(one['task'], one['start'], one['images'], one['passes']) for one in scanned})
    names = [f'{task}, {STARTS[start]}, {images:,} images, {passes:,} seen' for task, start, images, passes in columns]
    lines = [f'| setting | {" | ".join(names)} |', f'|{" --- |" * (len(columns) + 1)}']
    for name in dict.fromkeys(one['scan'] for one in scanned):
        cells = []
        for column in columns:
            same = [
                one
                for one in scanned
                if (one['scan'], one['task'], one['start'], one['images'], one['passes']) == (name, *column)
            ]
            cells.append(f'{same[0]["values"]["raw"]:.1f}' if same else '-')
        lines.append(f'| {name} | {" | ".join(cells)} |')
    return '\n'.join([*lines, '', f'Top-1, mIoU and AP50 of one seed, measured with `{COMMAND} --scan`.'])


def _with_range(values: list[float]) -> str:
    mean = f'{sum(values) / len(values):.1f}'
    return mean if len(values) == 1 else f'{mean} ({min(values):.1f} to {max(values):.1f})'
