"""Milder augmentation of a config for few training images, as ``--recipe small`` sets it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from .pipelines import find_pipelines, kind_of

if TYPE_CHECKING:
    from mmengine.config import Config

LEAST_CROP = 0.35
"""Share of an image that a random crop of classification shows at least; ConvNeXt's is 0.08, timm's default."""
MAGNITUDE = 5
"""Magnitude of RandAugment; ConvNeXt's is 9."""
TIMMS_CROP = (0.08, 1.0)


class Milder(NamedTuple):
    """A milder value of a setting."""

    value: Any
    text: str
    """What it is, for the log; empty if another one says it."""


def of_classification(cfg: Config) -> dict[str, Milder]:
    """Return milder settings of a classifier's training: single images, larger crops, weaker RandAugment.

    Returns:
        The settings by their keys, joined with dots, as far as they would change.
    """
    changes: dict[str, Milder] = {}
    mixup = cfg.model.get('mixup') or {}
    if mixup and mixup.get('prob', 1.0) > 0:
        changes['model.mixup.prob'] = Milder(0.0, 'no Mixup and CutMix')
    for key, transform in _transforms(cfg.train_dataloader.dataset, 'train_dataloader.dataset'):
        scale = tuple(transform.get('scale') or TIMMS_CROP)
        if scale[0] < LEAST_CROP < scale[1]:
            changes[f'{key}.scale'] = Milder((LEAST_CROP, scale[1]), f'crops from {LEAST_CROP:.0%} of an image')
        policy = transform.get('auto_augment')
        found = re.fullmatch(r'(rand-.*?m)(\d+)(\b.*)', policy) if isinstance(policy, str) else None
        if found and int(found[2]) > MAGNITUDE:
            weaker = f'{found[1]}{MAGNITUDE}{found[3]}'
            changes[f'{key}.auto_augment'] = Milder(weaker, f'RandAugment of magnitude {MAGNITUDE}')
    return changes


def of_pipelines(cfg: Config) -> dict[str, Milder]:
    """Return milder scale jitter of the training pipelines: the square roots of its ends, half on a log scale.

    Returns:
        The settings by their keys, joined with dots, as far as they would change.
    """
    changes: dict[str, Milder] = {}
    pipelines = find_pipelines(cfg.train_dataloader.dataset, ('train_dataloader', 'dataset'))
    parts = [('.'.join(map(str, keys)), pipeline) for keys, pipeline in pipelines]
    for key, part in [*parts, ('custom_hooks', cfg.get('custom_hooks'))]:  # hooks may switch the pipeline
        for path, step in _steps(part, key):
            ends = step.get('ratio_range')
            if kind_of(step) != 'RandomResize' or not isinstance(ends, list | tuple) or min(ends) <= 0:
                continue
            milder = tuple(round(math.sqrt(end), 2) for end in ends)
            if milder != tuple(ends):
                text = f'scale jitter {milder[0]:g} to {milder[1]:g}'
                said = any(text == one.text for one in changes.values())
                changes[f'{path}.ratio_range'] = Milder(milder, '' if said else text)
    return changes


def _transforms(dataset: Any, key: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the arguments of timm's transform of the data sets inside a config's data set, with their keys."""
    if isinstance(dataset, list | tuple):
        for index, one in enumerate(dataset):
            yield from _transforms(one, f'{key}.{index}')
    elif isinstance(dataset, Mapping):
        if isinstance(dataset.get('transform'), Mapping):
            yield f'{key}.transform', dataset['transform']
        for name in ('dataset', 'datasets'):
            yield from _transforms(dataset.get(name), f'{key}.{name}')


def _steps(value: Any, key: str) -> Iterator[tuple[str, dict]]:
    """Yield the steps of a pipeline, those inside others too, with their keys joined with dots."""
    if isinstance(value, dict):
        if 'type' in value:
            yield key, value
        for name, part in value.items():
            yield from _steps(part, f'{key}.{name}')
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            yield from _steps(part, f'{key}.{index}')
