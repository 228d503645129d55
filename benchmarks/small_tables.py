"""The tables of benchmarks/small_recipe.py, for :mod:`.update_tables`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

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
    """Return tables of batches and learning rates beside those of the rule, from which its constants are.

    There is one table for runs of the same settings; its last row is the recipe's own, of the same seed.
    """
    content = json.loads(path.read_text()) if path.exists() else {'runs': []}
    found: dict[tuple, dict[str, float]] = {}
    for one in content['runs']:
        if one['scan']:
            found.setdefault(_column(one), {})[one['scan']] = one['values']['raw']
    if not found:
        return f'Not measured yet: `{COMMAND} --scan`.'
    own = {
        _column(one): one['values']['raw'] for one in content['runs'] if one['recipe'] == 'small' and not one['scan']
    }
    tables: dict[bool, list[tuple]] = {}
    for column in sorted(found):
        tables.setdefault(column[0] == 'classification', []).append(column)
    parts = []
    for columns in (tables[key] for key in sorted(tables, reverse=True)):
        names = [
            f'{task}, {STARTS[start]}, {images:,} images, {passes:,} seen'
            for task, start, images, passes, _ in columns
        ]
        lines = [f'| setting | {" | ".join(names)} |', f'|{" --- |" * (len(columns) + 1)}']
        for name in dict.fromkeys(name for column in columns for name in found[column]):
            lines.append(f'| {name} | {" | ".join(_cell(found[column].get(name)) for column in columns)} |')
        lines.append(f'| the recipe | {" | ".join(_cell(own.get(column)) for column in columns)} |')
        parts += [*lines, '']
    return '\n'.join([*parts, f'Top-1, mIoU and AP50 of one seed, measured with `{COMMAND} --scan`.'])


def _column(one: dict[str, Any]) -> tuple:
    return one['task'], one['start'], one['images'], one['passes'], one['seed']


def _cell(value: float | None) -> str:
    return '-' if value is None else f'{value:.1f}'


def _with_range(values: list[float]) -> str:
    mean = f'{sum(values) / len(values):.1f}'
    return mean if len(values) == 1 else f'{mean} ({min(values):.1f} to {max(values):.1f})'
