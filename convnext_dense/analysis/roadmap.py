"""The roadmap in numbers: what its steps cost, counted and timed here, beside what the paper published."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from .. import paper
from ..models.classifier import ImageClassifier
from ..models.roadmap import TRACKS, design_of
from .benchmark.setting import Setting
from .benchmark.timing import Contender, Series, measure
from .complexity import count
from .environment import environment

RESOLUTION = 224
ENDS = {'resnet50': ('ResNet-50', 'ConvNeXt-T'), 'resnet200': ('ResNet-200', 'ConvNeXt-B')}
TABLES = {'resnet50': 10, 'resnet200': 11}  # of the paper


def document(track: str, timing: dict | None = None, training: dict | None = None) -> dict[str, Any]:
    """Everything known about a track, as plain values: for the table, the figure, and JSON.

    Args:
        track: a name of :data:`~convnext_dense.models.roadmap.TRACKS`.
        timing: of :func:`throughput`.
        training: of :func:`convnext_dense.roadmap_runs.results`.

    Returns:
        ``track``, ``timing`` and ``training`` (without their values by step), and ``steps``, in order: ``step``,
        ``title``, ``kept``; ``params`` and ``macs``, counted at 224 with a head of 1000 classes; ``published`` with
        ``top1`` in percent, its ``std``, ``gmacs`` as printed, and ``misprint``, empty or why that can't be;
        ``images_per_second`` with ``median``, ``min`` and ``max``; ``measured_top1`` in percent with ``mean``,
        ``std`` over seeds (None for one seed) and ``by_seed``.

    Raises:
        UserError: if there is no such track.
    """
    design_of(track, 'baseline')  # an error for an unknown track
    steps = []
    for step, row in zip(TRACKS[track], paper.ROADMAP[track], strict=True):
        params, macs = _count(track, step.name)
        published = dict(top1=row.top1, std=row.std, gmacs=row.macs, misprint=row.misprint)
        entry = dict(step=step.name, title=step.title, kept=step.kept, params=params, macs=macs, published=published)
        if timing:
            entry['images_per_second'] = _spread(timing['images_per_second'][step.name])
        if training and (by_seed := training['top1'].get(step.name)):
            entry['measured_top1'] = _mean(by_seed)
        steps.append(entry)
    return {
        'track': track,
        'timing': timing and {key: value for key, value in timing.items() if key != 'images_per_second'},
        'training': training and {key: value for key, value in training.items() if key != 'top1'},
        'steps': steps,
    }


def in_words(training: dict) -> str:
    """What the measured accuracies are of: the data, the budget, the seeds."""
    epochs, of_baseline = training['epochs'], training['baseline_epochs']
    length = f'{epochs} epoch{"s" if epochs > 1 else ""}'
    length += f' (of the old recipe: {of_baseline})' if of_baseline != epochs else ''
    data = 'the drawn sample' if training['data'] == 'sample' else training['data']
    seeds = training['seeds']
    return (
        f'{length} of {training["training_pictures"]:,} pictures of {data} at {training["resolution"]}, tested on '
        f'{training["validation_pictures"]:,} others; '
        + (f'mean and standard deviation of {seeds} seeds' if seeds > 1 else 'one seed')
    )


def throughput(track: str, batch: int) -> dict[str, Any]:
    """Time the forward pass of a track's networks side by side, as the benchmark does, on a GPU if there is one.

    Networks that are the same are timed once.

    Args:
        batch: pictures of 224 x 224 at once.

    Returns:
        ``images_per_second`` by step, a number for each round; ``batch``, ``resolution``, ``rounds``, and
        ``environment``.

    Raises:
        RuntimeError: if a network can't be run, as where memory is short.
    """
    setting = Setting(torch.device('cuda' if torch.cuda.is_available() else 'cpu'))
    pictures = torch.randn(batch, 3, RESOLUTION, RESOLUTION, device=setting.device)
    designs = {step.name: design_of(track, step.name) for step in TRACKS[track]}
    names = {design: name for name, design in designs.items()}  # one for each network
    contenders = (_contender(track, name, pictures) for name in names.values())
    series = Series('forward', track, batch)
    made_on = environment()  # the load is that of others
    with setting.precisely():  # steps are no two ways to do one thing, so no results are compared
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


def _contender(track: str, step: str, pictures: Tensor) -> Contender:
    network = _classifier(track, step).to(pictures.device)

    @torch.inference_mode()
    def forward() -> Tensor:
        return network(pictures)

    return Contender(step, 'fp32', 'NCHW', forward)


def _classifier(track: str, step: str) -> ImageClassifier:
    backbone = dict(type='convnext_dense.RoadmapNet', track=track, step=step, out_indices=None)
    return ImageClassifier(backbone, num_classes=1000).eval()


def _count(track: str, step: str) -> tuple[int, int]:
    """Parameters and MACs, without memory for either."""
    with torch.device('meta'):
        counted = count(_classifier(track, step), (RESOLUTION, RESOLUTION))
    return counted.params, counted.macs


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {'median': statistics.median(values), 'min': min(values), 'max': max(values)}


def _mean(by_seed: Mapping[str, float]) -> dict[str, Any]:
    values = list(by_seed.values())
    std = statistics.stdev(values) if len(values) > 1 else None
    return {'mean': statistics.mean(values), 'std': std, 'by_seed': dict(by_seed)}
