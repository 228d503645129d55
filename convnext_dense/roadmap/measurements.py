"""Measurements of the roadmap's steps: parameters, MACs, speed and accuracy, with the paper's published values."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from .. import paper
from ..analysis.complexity import count
from ..models.classifier import ImageClassifier
from .steps import TRACKS, design_of

RESOLUTION = 224
TABLES = {'resnet50': 10, 'resnet200': 11}  # of the paper


def document(track: str, timing: dict | None = None, training: dict | None = None) -> dict[str, Any]:
    """Collect all measurements of a track as plain values for the table, the figure, and JSON.

    Args:
        track: a name of :data:`~convnext_dense.roadmap.steps.TRACKS`.
        timing: the result of :func:`convnext_dense.benchmark.roadmap.throughput`.
        training: the result of :func:`convnext_dense.roadmap.runs.results`.

    Returns:
        ``track``, ``timing`` and ``training`` (without their values by step), and ``steps``, in order: ``step``,
        ``title``, ``kept``; ``params`` and ``macs``, counted at 224 with a head of 1000 classes; ``published`` with
        ``top1`` in percent, its ``std``, ``gmacs`` as printed, and ``misprint``, the reason if ``gmacs`` is wrong;
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


def describe_training(training: dict) -> str:
    """Describe the training of the measured steps in one phrase: length, data, resolution and seeds."""
    epochs, baseline_epochs = training['epochs'], training['baseline_epochs']
    length = f'{epochs} epoch{"s" if epochs > 1 else ""}'
    length += f' (of the old recipe: {baseline_epochs})' if baseline_epochs != epochs else ''
    data = 'the drawn sample' if training['data'] == 'sample' else training['data']
    seeds = training['seeds']
    return (
        f'{length} of {training["training_images"]:,} images of {data} at {training["resolution"]}, tested on '
        f'{training["validation_images"]:,} others; '
        + (f'mean and standard deviation of {seeds} seeds' if seeds > 1 else 'one seed')
    )


def step_classifier(track: str, step: str) -> ImageClassifier:
    """Build a step's network as a classifier with 1000 classes, in evaluation mode."""
    backbone = dict(type='convnext_dense.RoadmapNet', track=track, step=step, out_indices=None)
    return ImageClassifier(backbone, num_classes=1000).eval()


def _count(track: str, step: str) -> tuple[int, int]:
    """Count parameters and MACs on the meta device, which allocates no memory."""
    with torch.device('meta'):
        counted = count(step_classifier(track, step), (RESOLUTION, RESOLUTION))
    return counted.params, counted.macs


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {'median': statistics.median(values), 'min': min(values), 'max': max(values)}


def _mean(by_seed: Mapping[str, float]) -> dict[str, Any]:
    values = list(by_seed.values())
    std = statistics.stdev(values) if len(values) > 1 else None
    return {'mean': statistics.mean(values), 'std': std, 'by_seed': dict(by_seed)}
