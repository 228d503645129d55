"""The hooks of a source: those that train as before with this package's loop, and lines about all others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.registry import HOOKS

from .datasets import switched_steps
from .notes import NotAdaptable, Notes
from .pipelines import Reader, kind, mixing_type
from .registered import scoped

LEFT_OUT = {
    'SyncNormHook': 'a resumed run would not repeat it; with several GPUs, set norm_cfg of neck and heads to SyncBN',
    'NumClassCheckHook': 'every run checks the classes of its heads',
    'CheckInvalidLossHook': 'every run checks its losses, at each step',
}
"""Hooks of mmdet that a run here has no use for, each with the reason."""
REFUSED = {'MeanTeacherHook': 'it learns from images without annotations too, by a teacher'}
"""Hooks of methods that are not for our data, each with what the method does."""
GAMMA = 2000
"""The default of mmdet's ``ExpMomentumEMA``."""
SWITCHING = ('YOLOXModeSwitchHook', 'PipelineSwitchHook')


def adapt_hooks(
    cfg: Mapping[str, Any], reader: Reader, is_mixed: bool, repeats: int
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the ``custom_hooks`` of the new config, and additions to its ``default_hooks``.

    Args:
        cfg: the source.
        reader: its library, and the notes, which get a line for each hook that is left out or changed.
        is_mixed: whether another data set mixes the images of the one that loads them.
        repeats: epochs here for one of the source.

    Raises:
        NotAdaptable: if a hook is of a method that our data are not for.
    """
    kept: list[dict[str, Any]] = []
    defaults, notes = {}, reader.notes
    for hook in cfg.get('custom_hooks') or ():
        name, given = kind(hook), {key: value for key, value in hook.items() if key != 'type'}
        if name in REFUSED:
            raise NotAdaptable(f'{REFUSED[name]} ({name})')
        if name in LEFT_OUT:
            notes.changed.append(f'{name} is left out: {LEFT_OUT[name]}')
        elif name == 'EMAHook':
            defaults['ema'] = _average(given, notes)
        elif name in SWITCHING:
            kept.append(_switch(name, given, reader, is_mixed, repeats))
        elif (known := scoped(HOOKS, str(hook['type']), reader.package)) is not None:
            kept.append({'type': known, **given})
        else:
            notes.undecided.append(f'{name} is left out: {reader.package} has no such hook')
    return kept, defaults


def _average(given: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
    """Return our hook for a moving average of the weights, which has the same momentum."""
    momentum = given.get('momentum', 0.0002)  # mmengine's default
    kind_of_average = given.get('ema_type', 'ExponentialMovingAverage')
    notes.changed.append(f'EMAHook becomes convnext_dense.EMA with the momentum {momentum}, which resumes exactly')
    if kind_of_average == 'ExpMomentumEMA':
        return {'type': 'convnext_dense.EMA', 'momentum': momentum, 'gamma': given.get('gamma', GAMMA)}
    if kind_of_average != 'ExponentialMovingAverage':
        notes.undecided.append(f'{kind_of_average} is no exponential average: check default_hooks.ema.momentum')
    return {'type': 'convnext_dense.EMA', 'momentum': momentum}


def _switch(name: str, given: dict[str, Any], reader: Reader, is_mixed: bool, repeats: int) -> dict[str, Any]:
    """Return mmdet's hook that changes the augmentation for the last epochs, with the names of the steps here."""
    if name == 'YOLOXModeSwitchHook':
        skipped = given.get('skip_type_keys', ('Mosaic', 'RandomAffine', 'MixUp'))
        given['skip_type_keys'] = tuple(mixing_type(one) for one in skipped)
        given['num_last_epochs'] = given.get('num_last_epochs', 15) * repeats
        return {'type': f'mmdet.{name}', **given}
    steps = switched_steps(given['switch_pipeline'], reader, is_mixed)
    given.update(switch_epoch=given['switch_epoch'] * repeats, switch_pipeline=steps)
    return {'type': f'mmdet.{name}', **given}
