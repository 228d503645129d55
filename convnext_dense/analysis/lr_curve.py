"""Figure of a learning rate range test."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NamedTuple

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from ..engine.lr_range import Step, ceiling, smooth
from .curves import EMA, MATPLOTLIB_STYLE, RAW

OWN = '#57606a'


class Marks(NamedTuple):
    """Learning rates that the figure marks; None for those that are not known."""

    suggested: float | None
    own: float | None
    at_minimum: float | None


def draw(curve: Sequence[Step], file: Path | IO, kind: str, marks: Marks, title: str) -> None:
    """Plot the losses of a ramp over their learning rates, with the suggestion and the config's own.

    Args:
        curve: the steps.
        file: path or open file to write to.
        kind: ``'png'``, ``'svg'`` or ``'pdf'``.
        marks: learning rates to mark.
        title: the figure's title.
    """
    kept = [step for step in curve if math.isfinite(step.loss)]
    lrs, losses = [step.lr for step in kept], np.array([step.loss for step in kept])
    line = smooth(losses.tolist())
    with matplotlib.rc_context(MATPLOTLIB_STYLE):
        figure = Figure(figsize=(8, 4.5), layout='constrained')
        axes = figure.subplots()
        axes.plot(lrs, losses, color=RAW, alpha=0.3, linewidth=0.8, label='loss of each step')
        axes.plot(lrs, line, color=RAW, linewidth=2, label='smoothed')
        axes.set_xscale('log')
        axes.set(
            title=f'learning rate range test: {title}',
            xlabel='learning rate, growing from step to step',
            ylabel='training loss',
        )
        low, high = min(losses.min(), line.min()), min(losses.max(), ceiling(losses.tolist()))
        axes.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))  # cut off where training diverges
        if marks.own is not None:
            axes.axvline(marks.own, color=OWN, linestyle='--', label=f"the config's own: {marks.own:.2g}")
        if marks.suggested is not None:
            place = float(np.interp(np.log10(marks.suggested), np.log10(lrs), line))
            axes.axvline(marks.suggested, color=EMA, label=f'suggested: {marks.suggested:.2g}')
            axes.plot([marks.suggested], [place], 'o', color=EMA)
        if marks.at_minimum is not None:
            place = float(np.interp(np.log10(marks.at_minimum), np.log10(lrs), line))
            axes.plot([marks.at_minimum], [place], 'v', color=RAW, label=f'least loss: {marks.at_minimum:.2g}')
        axes.grid(alpha=0.25)
        axes.spines[['top', 'right']].set_visible(False)
        axes.legend(loc='lower left', framealpha=0.9, edgecolor='none', fontsize=9)
        figure.savefig(file, format=kind, dpi=130, metadata={'Date': None} if kind == 'svg' else None)
