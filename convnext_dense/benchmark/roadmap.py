"""Benchmark of the roadmap's networks, side by side."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..analysis.environment import environment
from ..roadmap.measurements import RESOLUTION, step_classifier
from ..roadmap.steps import TRACKS, design_of
from .setting import Setting
from .timing import Contender, Series, measure


def throughput(track: str, batch: int) -> dict[str, Any]:
    """Time the forward pass of a track's networks side by side, on a GPU if there is one.

    Identical networks are timed once.

    Args:
        track: a name of :data:`~convnext_dense.roadmap.steps.TRACKS`.
        batch: images of 224 x 224 per batch.

    Returns:
        A dict with ``images_per_second`` by step (a number for each round), ``batch``, ``resolution``, ``rounds``, and
        ``environment``.

    Raises:
        RuntimeError: if a network can't be run, for example for lack of memory.
    """
    setting = Setting(torch.device('cuda' if torch.cuda.is_available() else 'cpu'))
    images = torch.randn(batch, 3, RESOLUTION, RESOLUTION, device=setting.device)
    designs = {step.name: design_of(track, step.name) for step in TRACKS[track]}
    names = {design: name for name, design in designs.items()}  # a name for each distinct network
    contenders = (_contender(track, name, images) for name in names.values())
    series = Series('forward', track, batch)
    made_on = environment()  # before the measurement, so that the load is that of other processes
    with setting.precisely():  # different networks, so results are not compared
        measure(series, contenders, None, {'fp32': 0.0}, setting, differ=lambda found, reference: 0.0)
    for row in series.failures():
        raise RuntimeError(f'{row.name} {row.problem}')
    rates = {row.name: [batch / seconds for seconds in row.seconds] for row in series.rows}
    return {
        'images_per_second': {name: rates[names[design]] for name, design in designs.items()},
        'batch': batch,
        'resolution': RESOLUTION,
        'rounds': len(series.rows[0].seconds),
        'environment': made_on,
    }


def _contender(track: str, step: str, images: Tensor) -> Contender:
    network = step_classifier(track, step).to(images.device)

    @torch.inference_mode()
    def forward() -> Tensor:
        return network(images)

    return Contender(step, 'fp32', 'NCHW', forward)
