"""Curves of runs: finding runs, reading their logs, and plotting them together."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import matplotlib
import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..engine.csv_log import read_scalars
from ..errors import UserError
from ..tasks import TASKS, MainMetrics

Series = Mapping[str, Sequence[tuple[int, float]]]
"""Logged values: (step, value) pairs by name."""

RAW, EMA = '#0969da', '#bc4c00'
MATPLOTLIB_STYLE = {'svg.fonttype': 'none', 'font.size': 10, 'font.family': 'sans-serif', 'axes.titlesize': 11}
STYLES = ('-', '--', ':', '-.')
SMOOTHING_WINDOW = 0.05  # share of the run
MIN_SMOOTHED = 20  # points: shorter curves are not smoothed
MEMORY = {'memory': 'GPU', 'host_memory': 'process'}  # peaks, in MB


def find_runs(folder: Path) -> list[Path]:
    """Find all work dirs with logged values at or below a folder, sorted.

    Raises:
        UserError: if there are none.
    """
    runs = sorted({file.parents[2] for file in folder.glob('**/vis_data/scalars.csv')})
    if not runs:
        raise UserError(f'no run in {folder}: name a work dir that tools/train.py wrote')
    return runs


def read_runs(folders: Sequence[Path]) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """Read the logs of all runs at or below the folders, by unique short names.

    Raises:
        UserError: if a folder has no run, or a log can't be read.
    """
    runs = list(dict.fromkeys(run.resolve() for folder in folders for run in find_runs(folder)))
    return dict(zip(short_names(runs), map(read_scalars, runs), strict=True))


def short_names(runs: Sequence[Path]) -> list[str]:
    """Shorten paths to their last parts, as few as keep all of them distinct."""
    for count in range(1, max(len(run.parts) for run in runs) + 1):
        names = [os.path.join(*run.parts[-count:]) for run in runs]
        if len(set(names)) == len(names):
            break
    return names


def logged_main_metrics(runs: Mapping[str, Series]) -> list[MainMetrics]:
    """Return the main metrics of the tasks whose metrics the runs have logged."""
    logged = {name.split('/')[-1] for series in runs.values() for name in series if name.startswith('val/')}
    return [task.metrics for task in TASKS.values() if logged & task.metrics.labels.keys()]


def smooth(values: Sequence[float]) -> np.ndarray:
    """Smooth a curve by a centered moving average over 5% of the run; the window is truncated at the ends.

    Curves of fewer than 20 points are returned unchanged.
    """
    reach = round(SMOOTHING_WINDOW * len(values)) // 2 if len(values) >= MIN_SMOOTHED else 0
    array = np.asarray(values, float)
    return np.array([array[max(0, i - reach) : i + reach + 1].mean() for i in range(len(array))])


def draw(runs: Mapping[str, Series], file: Path | IO, kind: str) -> None:
    """Plot the runs together: loss, lr and memory by step, and the main metrics.

    Each run has a color; for a single run, colors tell raw from averaged weights, and the parameter groups apart.

    Args:
        runs: logged values of each run by its name.
        file: path or open file to write to.
        kind: ``'png'``, ``'svg'`` or ``'pdf'``.
    """
    with matplotlib.rc_context(MATPLOTLIB_STYLE):
        tasks_metrics = logged_main_metrics(runs)
        with_memory = any(name in series for series in runs.values() for name in MEMORY)
        count = 2 + len(tasks_metrics) + with_memory
        rows = -(-count // 2)
        figure = Figure(figsize=(11, 3.4 * rows), layout='constrained')
        panels = figure.subplots(rows, 2).flatten()
        colors = {name: f'C{i}' for i, name in enumerate(runs)} if len(runs) > 1 else {}
        _draw_loss(panels[0], runs, colors)
        _draw_lr(panels[1], runs, colors)
        for metrics, axes in zip(tasks_metrics, panels[2:], strict=False):
            _draw_metrics(axes, metrics, runs, colors)
        if with_memory:
            _draw_memory(panels[count - 1], runs, colors)
        for axes in panels[:count]:
            axes.grid(alpha=0.25)
            axes.spines[['top', 'right']].set_visible(False)
            for line in axes.lines:
                if len(line.get_xdata()) == 1:  # a line of one point can't be seen
                    line.set(marker='o', markersize=3)
        for axes in panels[count:]:
            axes.remove()
        figure.savefig(file, format=kind, dpi=130, metadata={'Date': None} if kind == 'svg' else None)


def _draw_loss(axes: Any, runs: Mapping[str, Series], colors: Mapping[str, str]) -> None:
    smoothed = False
    for name, series in runs.items():
        steps, values = _columns(series.get('train/loss', []))
        color = colors.get(name, RAW)
        if len(values) >= MIN_SMOOTHED:
            axes.plot(steps, values, color=color, alpha=0.25, linewidth=0.8)
            smoothed = True
        axes.plot(steps, smooth(values), color=color, label=name)
    note = f' (faint: as logged; line: mean over {SMOOTHING_WINDOW:.0%} of the run)' if smoothed else ''
    axes.set(title='training loss', xlabel=f'optimizer step{note}')
    if colors:
        axes.legend(frameon=False)


def _draw_lr(axes: Any, runs: Mapping[str, Series], colors: Mapping[str, str]) -> None:
    for name, series in runs.items():
        groups = _lr_groups(series)
        for i, (group, points) in enumerate(groups.items()):
            shade = colors.get(name) or colormaps['viridis'](0.9 * i / len(groups))
            style = dict(alpha=0.3, linewidth=0.8) if colors else dict(label=group, linewidth=1)
            axes.plot(*_columns(points), color=shade, **style)
        own = dict(label=name) if colors else dict(label="optimizer's own", linestyle='--' if groups else '-')
        axes.plot(*_columns(series.get('train/lr', [])), color=colors.get(name, RAW), **own)
    several = any(_lr_groups(series) for series in runs.values())
    axes.set(title='learning rate, of each group too' if several and colors else 'learning rate')
    axes.set_xlabel('optimizer step')
    axes.set_ylim(bottom=0)
    axes.ticklabel_format(axis='y', style='sci', scilimits=(-2, 3))
    if colors or several:
        axes.legend(frameon=False, fontsize=8, ncols=2 if several and not colors else 1)


def _lr_groups(series: Series) -> dict[str, Sequence[tuple[int, float]]]:
    """Return the lr of every parameter group by name, with one entry for groups that differ only in weight decay."""
    groups: dict[str, Sequence[tuple[int, float]]] = {}
    for name, points in series.items():
        if name.startswith('train/lr/'):
            group = name.removeprefix('train/lr/').removesuffix('_no_decay').removesuffix('_decay')
            groups.setdefault(group, points)
    return dict(sorted(groups.items(), key=lambda item: [int(p) if p.isdigit() else p for p in item[0].split('_')]))


def _draw_metrics(axes: Any, metrics: MainMetrics, runs: Mapping[str, Series], colors: Mapping[str, str]) -> None:
    for name, series in runs.items():
        styles = iter(STYLES)
        for kind, own_color in (('raw', RAW), ('ema', EMA)):
            for metric, prefix in metrics.labels.items():
                steps, values = _columns(series.get(f'val/{kind}/{metric}', []))
                if not values:
                    continue
                label = f'{f"{name}: " if colors else ""}{prefix}{kind}, {values[-1]:.{metrics.digits}f} at the end'
                color = colors.get(name, own_color)
                axes.plot(steps, values, next(styles), color=color, marker='o', markersize=3, label=label)
    title = ', '.join(filter(None, (metrics.title, metrics.unit)))
    axes.set(title=title, xlabel=metrics.step, ylim=(0, 105))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if all(len(line.get_xdata()) == 1 for line in axes.lines):
        axes.set_xticks(sorted({line.get_xdata()[0] for line in axes.lines}))
    peak = max(line.get_ydata().max() for line in axes.lines)
    if peak < 50:
        axes.set_ylim(0, 1.4 * peak + 0.1)  # with room for the legend
    axes.legend(frameon=False, loc='upper left' if peak < 50 else 'lower right', fontsize=9)


def _draw_memory(axes: Any, runs: Mapping[str, Series], colors: Mapping[str, str]) -> None:
    for name, series in runs.items():
        for (metric, memory), style, own_color in zip(MEMORY.items(), STYLES, (RAW, EMA), strict=False):
            steps, values = _columns(series.get(metric, []))
            if values:
                label = f'{f"{name}: " if colors else ""}{memory}'
                color = colors.get(name, own_color)
                axes.plot(steps, np.array(values) / 1024, style, color=color, label=label)
    axes.set(title='peak memory so far, GB', xlabel='optimizer step')
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=9)


def _columns(points: Sequence[tuple[int, float]]) -> tuple[list[int], list[float]]:
    return [step for step, _ in points], [value for _, value in points]
