"""Plot the curves of runs together."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from math import isfinite
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ...analysis.curves import MEMORY, Series, draw, logged_main_metrics, read_runs
from ...errors import UserError
from ...evaluation.metric_names import rule_of
from ...io.files import atomic_write

BARS = '▁▂▃▄▅▆▇█'
WIDTH = 24  # of a curve, in characters


def run(args: argparse.Namespace) -> int:
    out = Path(args.out) if args.out else None
    runs = read_runs([Path(folder) for folder in args.work_dir])
    empty = [name for name, series in runs.items() if not series]
    for name in empty:
        print(f'error: {name} has no logged values yet and is left out', file=sys.stderr)
        del runs[name]
    if not runs:
        raise UserError('no run has logged anything yet: wait for the first steps')
    console = Console(highlight=False)
    for name, series in runs.items():
        console.print(_summary(name, series))
        console.print()
    if out is not None:
        with atomic_write(out) as temporary:
            draw(runs, temporary, out.suffix[1:])
        print(f'the figure is {out}')
    return 1 if empty else 0


def _summary(name: str, series: Series) -> Table:
    table = Table(title=name, title_justify='left', title_style='bold', box=None, pad_edge=False)
    table.add_column('', no_wrap=True)
    table.add_column('', no_wrap=True)
    for column in ('first', 'last', 'best', 'at'):
        table.add_column(column, justify='right', no_wrap=True)
    _add_row(table, 'loss', series.get('train/loss', []), '.4g', 'step', best=min)
    _add_row(table, 'lr', series.get('train/lr', []), '.3g', 'step')
    for main in logged_main_metrics({name: series}):
        unit = main.step.split()[-1]
        for metric in main.labels:
            for kind in ('raw', 'ema'):
                points = series.get(f'val/{kind}/{metric}', [])
                label = f'{kind}/{metric}, {main.unit}' if main.unit else f'{kind}/{metric}'
                best = min if rule_of(metric) == 'less' else max
                _add_row(table, label, points, f'.{max(2, main.digits)}f', unit, best=best)
    for metric, what in MEMORY.items():
        points = [(step, value / 1024) for step, value in series.get(metric, [])]
        _add_row(table, f'memory ({what}), GB', points, '.2f', 'step')
    return table


def _add_row(table: Table, name: str, points: Sequence, form: str, unit: str, best: Callable | None = None) -> None:
    if not points:
        return
    values = [value for _, value in points]
    row = [name, sparkline(values), format(values[0], form), format(values[-1], form)]
    if best is not None:
        step, value = best(points, key=lambda point: point[1])
        row += [format(value, form), f'{unit} {step}']
    table.add_row(*row)


def sparkline(values: Sequence[float]) -> str:
    """Format a curve as a line of bars, each for the mean of consecutive values; blank if the mean is not finite."""
    count = min(WIDTH, len(values))
    bounds = [round(i * len(values) / count) for i in range(count + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in pairwise(bounds)]
    finite = [mean for mean in means if isfinite(mean)] or [0.0]
    low, span = min(finite), (max(finite) - min(finite)) or 1.0
    bars = [BARS[round((m - low) / span * (len(BARS) - 1))] if isfinite(m) else ' ' for m in means]
    return ''.join(bars)
