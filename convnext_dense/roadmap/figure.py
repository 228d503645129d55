"""The paper's roadmap figure: an accuracy bar for each step, and a line of GFLOPs."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .measurements import TABLES, describe_training
from .steps import ENDS

PUBLISHED, MEASURED, MACS, QUIET = '#0969da', '#1a7f37', '#bc4c00', '#57606a'
STYLE = {'svg.fonttype': 'none', 'font.size': 10, 'font.family': 'sans-serif', 'hatch.linewidth': 0.6}


def draw(content: dict[str, Any]) -> Figure:
    """Draw the result of :func:`~convnext_dense.roadmap.measurements.document`.

    From left to right: the steps, the published accuracies, the measured accuracies if there are any, and the counted
    MACs. Steps that the paper tried but did not keep are hatched, and the line of MACs skips them.
    """
    steps = content['steps']
    measured = any('measured_top1' in step for step in steps)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(11, 6.4), layout='constrained')
        panels = figure.subplots(1, 2 + measured, sharey=True, width_ratios=[5, *[4] * measured, 3])
        start, end = ENDS[content['track']]
        figure.suptitle(f'From {start} to {end}, one change at a time', fontsize=14, fontweight='bold')
        _published(panels[0], content)
        if measured:
            _measured(panels[1], content)
        _macs(panels[-1], steps)
        names = [start, *(step['title'] for step in steps[1:-1]), f'{steps[-1]["title"]}\n= {end}']
        labels = [name if step['kept'] else f'{name} (not kept)' for name, step in zip(names, steps, strict=True)]
        panels[0].set_yticks(range(len(steps)), [label.replace('->', '→') for label in labels])
        panels[0].set_ylim(len(steps) - 0.4, -0.6)
        for label, step in zip(panels[0].get_yticklabels(), steps, strict=True):
            label.set_color('black' if step['kept'] else QUIET)
        for axes in panels:
            axes.tick_params(axis='y', length=0)
            axes.spines[['top', 'right', 'left']].set_visible(False)
            axes.grid(axis='x', alpha=0.25)
            axes.set_axisbelow(True)
    return figure


def _published(axes: Axes, content: dict[str, Any]) -> None:
    values = [step['published']['top1'] for step in content['steps']]
    stds = [step['published']['std'] for step in content['steps']]
    left = np.floor(min(values)) - 1
    _bars(axes, content['steps'], values, stds, PUBLISHED)
    axes.set_xlim(left, max(values) + 0.14 * (max(values) - left))
    table = TABLES[content['track']]
    _title(
        axes, 'ImageNet-1k top-1, %', f'PUBLISHED in table {table} of arXiv 2201.03545;\nthe axis starts at {left:g}'
    )


def _measured(axes: Axes, content: dict[str, Any]) -> None:
    measured = [step.get('measured_top1') or {'mean': np.nan, 'std': None} for step in content['steps']]
    values = [entry['mean'] for entry in measured]
    _bars(axes, content['steps'], values, [entry['std'] for entry in measured], MEASURED)
    axes.set_xlim(0, 1.22 * np.nanmax(values))
    sample = content['training']['data'] == 'sample'
    _title(axes, f'top-1 on {"the sample" if sample else "your data"}, %', 'MEASURED here,\nas described below')
    axes.figure.supxlabel(f'Measured: {describe_training(content["training"])}', fontsize=9, color=QUIET)


def _bars(axes: Axes, steps: list[dict], values: list[float], stds: list[float | None], color: str) -> None:
    for y, (step, value, std) in enumerate(zip(steps, values, stds, strict=True)):
        style: dict[str, Any] = (
            dict(color=color) if step['kept'] else dict(facecolor='white', edgecolor=color, hatch='/////')
        )
        axes.barh(y, value, height=0.66, xerr=std, error_kw=dict(ecolor='black', elinewidth=0.9, capsize=2), **style)
        if value == value:
            axes.annotate(
                f'{value:.1f}' if color == MEASURED else f'{value:.2f}',
                (value + (std or 0), y),
                xytext=(4, 0),
                textcoords='offset points',
                va='center',
                fontsize=9,
            )


def _macs(axes: Axes, steps: list[dict]) -> None:
    macs = [step['macs'] / 1e9 for step in steps]
    kept = [y for y, step in enumerate(steps) if step['kept']]
    axes.plot([macs[y] for y in kept], kept, color=MACS, marker='o', markersize=5, linewidth=1.5)
    for y, (step, value) in enumerate(zip(steps, macs, strict=True)):
        if not step['kept']:
            axes.plot(value, y, color=MACS, marker='o', markersize=5, markerfacecolor='white')
        before, after = macs[max(0, y - 1)], macs[min(y + 1, len(macs) - 1)]
        side = -1 if value < min(before, after) - 1 else 1  # where the line does not run through it
        axes.annotate(
            f'{value:.2f}',
            (value, y),
            xytext=(7 * side, 0),
            textcoords='offset points',
            va='center',
            ha='right' if side < 0 else 'left',
            fontsize=9,
        )
    margin = 0.35 * max(max(macs) - min(macs), 1)
    axes.set_xlim(min(macs) - margin, max(macs) + margin)
    _title(axes, 'GFLOPs (MACs) at 224', 'COUNTED here,\nof these networks')


def _title(axes: Axes, title: str, source: str) -> None:
    axes.set_title(title, loc='left', fontsize=11, fontweight='bold', pad=34)
    axes.annotate(
        source,
        (0, 1),
        xytext=(0, 30),
        xycoords='axes fraction',
        textcoords='offset points',
        va='top',
        fontsize=9,
        color=QUIET,
    )
