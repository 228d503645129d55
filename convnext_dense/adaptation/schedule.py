"""The schedule of an adapted config: the source's length, validation and lr curve, for this package's loop."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from mmengine.registry import PARAM_SCHEDULERS

from .notes import NotAdaptable, Notes
from .optimizer import AdaptedOptimizer
from .packaged import Recipe
from .registered import scoped

WARM_UPS = ('LinearLR', 'QuadraticWarmupLR', 'ConstantLR', 'LinearParamScheduler')
"""Schedulers that raise the lr at the start."""
IN_EPOCHS = ('begin', 'end', 'T_max')
"""Settings of a scheduler that count epochs, beside its milestones."""


def adapt_schedule(
    cfg: Mapping[str, Any],
    library: str,
    recipe: Recipe,
    optimizer: AdaptedOptimizer,
    repeats: int,
    notes: Notes,
) -> dict[str, Any]:
    """Return ``train_cfg`` and ``param_scheduler`` of the new config.

    Args:
        cfg: the source.
        library: its library.
        recipe: the packaged recipe, whose warm-up an optimizer from there takes if the source has none.
        optimizer: the new optimizer.
        repeats: times that an epoch of the source uses each image: there are as many epochs here.
        notes: gets a line for each change.
    """
    loop = cfg['train_cfg']
    counts_steps = loop.get('max_epochs') is None
    times = 1 if counts_steps else repeats
    key = 'max_iters' if counts_steps else 'max_epochs'
    if loop.get(key) is None:
        raise NotAdaptable('its train_cfg has neither max_epochs nor max_iters')
    if repeats > 1:
        how = 'the length counts steps' if counts_steps else f'there are {repeats} times as many epochs'
        notes.changed.append(f'RepeatDataset of {repeats} is left out: {how}')
    train: dict[str, Any] = {
        'type': 'convnext_dense.TrainLoop',
        key: int(loop[key]) * times,
        'total_batch_size': optimizer.total_batch,
        'val_interval': int(loop.get('val_interval', 1)) * times,  # some are computed, and floats
    }
    if loop.get('val_begin', 1) != 1:
        train['val_begin'] = loop['val_begin'] * times
    if loop.get('dynamic_intervals'):
        train['dynamic_intervals'] = [(begin * times, every * times) for begin, every in loop['dynamic_intervals']]
    given = cfg.get('param_scheduler') or []
    parts = [dict(part) for part in ([given] if isinstance(given, Mapping) else given)]
    schedule = [_adapt_part(part, library, train[key], times, optimizer, counts_steps) for part in parts]
    if optimizer.lr_factor != 1.0 and any(part.get('eta_min') for part in schedule):
        notes.changed.append('eta_min of the schedule keeps its share of the lr')
    if optimizer.is_replaced and not any(part['type'].rpartition('.')[2] in WARM_UPS for part in schedule):
        warm_up = copy.deepcopy(recipe.cfg.param_scheduler[0].to_dict())
        schedule.insert(0, warm_up)
        notes.changed.append(f'a warm-up of {warm_up["end"] - 1} steps, as in {recipe.name}: the source has none')
    return {'train_cfg': train, 'param_scheduler': schedule}


def hooks_of_length(train: Mapping[str, Any], best: str) -> dict[str, Any]:
    """Return the settings of hooks and log that follow from the length: its unit, checkpoints, the best one.

    Args:
        train: the new ``train_cfg``.
        best: the metric whose best checkpoint is kept.
    """
    checkpoint = {'interval': train['val_interval'], 'best': best}
    if 'max_epochs' in train:
        return {'default_hooks': {'checkpoint': checkpoint}}
    return {
        'log_processor': {'by_epoch': False},
        'default_hooks': {'logger': {'log_metric_by_epoch': False}, 'checkpoint': checkpoint},
    }


def _adapt_part(
    part: dict[str, Any],
    library: str,
    length: int,
    times: int,
    optimizer: AdaptedOptimizer,
    counts_steps: bool,
) -> dict[str, Any]:
    """Return a scheduler with its scope, the lr of the new optimizer, and milestones that a shorter run can share."""
    name = scoped(PARAM_SCHEDULERS, part.pop('type'), library)
    if name is None:
        raise NotAdaptable(f'its schedule has a part that {library} does not have')
    if part.get('eta_min'):
        part['eta_min'] = float(f'{part["eta_min"] * optimizer.lr_factor:.3g}')
    by_epoch = part.get('by_epoch', True)
    if by_epoch and not counts_steps and times > 1:
        part.update({key: part[key] * times for key in IN_EPOCHS if key in part})
        if 'milestones' in part:
            part['milestones'] = [milestone * times for milestone in part['milestones']]
    if by_epoch and not counts_steps and 'milestones' in part:
        part = {'begin': 0, 'end': length, **part, 'by_epoch': True, 'convert_to_iter_based': True}
    return {'type': name, **part}
