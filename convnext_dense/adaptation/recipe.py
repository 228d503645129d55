"""Everything but the model: data, augmentation, optimizer, schedule and hooks of an adapted config."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Mapping
from typing import Any

from ..tasks import TASKS, Task
from ..tasks.adaptation import Adaptation
from ..tasks.masks import Learns
from .arch import Arch
from .channels import why_unused
from .datasets import adapt_data
from .hooks import adapt_hooks
from .notes import NotAdaptable, Notes
from .optimizer import adapt_optimizer
from .packaged import base_config, find_pretrained, find_recipe
from .pipelines import Reader, kind
from .schedule import adapt_schedule, hooks_of_length
from .sources import SourceConfig
from .testing import adapt_views

PACKAGED = 'convnext_dense::_base_/'
"""Where configs anywhere inherit the packaged ones from."""
BEST_OF_MASKS = 'raw/mask_AP'
"""Metric of a detector that is judged by its masks alone."""


def adapt_recipe(source: SourceConfig, arch: Arch, model: dict[str, Any], notes: Notes) -> dict[str, Any]:
    """Return all keys of the new config in the order in which they are written, ``model`` among them.

    Its bases are packaged configs: the data of its task, and the settings of all runs. What they have already is left
    out.

    Args:
        source: the config of mmdet or mmseg.
        arch: the ConvNeXt.
        model: the adapted model, which is not changed.
        notes: gets a line for each change and for each open question.

    Raises:
        NotAdaptable: if the source is for other data than images with boxes, masks, segments or label maps, or does
            not train.
    """
    task, adaptation = find_task(source)
    for module in task.modules:
        importlib.import_module(module)
    model = _without_truth(copy.deepcopy(model), adaptation, notes)
    model = _resumable(model, notes)
    learns = adaptation.find_learning(model)
    reader = Reader(source.package, adaptation, learns is not Learns.NONE, notes)
    recipe = find_recipe(adaptation.recipe, arch)
    data = adapt_data(source.cfg, reader)
    optimizer = adapt_optimizer(source, recipe, model, notes)
    times = 1 if source.cfg['train_cfg'].get('max_epochs') is None else data.repeats
    schedule = adapt_schedule(source.cfg, source.package, recipe, optimizer, data.repeats, notes)
    custom_hooks, default_hooks = adapt_hooks(source.cfg, reader, data.is_mixed, times)
    by_masks = learns is Learns.NEEDS or 'val_evaluator' in data.config
    of_length = hooks_of_length(schedule['train_cfg'], BEST_OF_MASKS if by_masks else adaptation.best)
    of_length['default_hooks'].update(default_hooks)
    tested = data.config.get('val_dataloader', {}).get('dataset', {}).get('pipeline') or []
    views = adapt_views(source.cfg, reader, model, tested)
    base = base_config(adaptation.base).to_dict()
    return {
        '_base_': [f'{PACKAGED}{adaptation.base}', f'{PACKAGED}runtime.py'],
        'sample_settings': f'_base_/sample/{adaptation.sample}',
        'task': task.name,
        **{key: source.cfg[key].to_dict() for key in ('custom_imports',) if key in source.cfg},
        'pretrained': find_pretrained(recipe, arch, notes),
        'model': model,
        **data.config,
        'optim_wrapper': optimizer.wrapper,
        **schedule,
        **of_length,
        **({'custom_hooks': custom_hooks} if custom_hooks else {}),
        **_unused_parameters(source, model, notes),
        **{key: value for key, value in views.items() if value != base.get(key)},
    }


def _unused_parameters(source: SourceConfig, model: dict[str, Any], notes: Notes) -> dict[str, bool]:
    """Return the key that has several GPUs train a model of which some parameters get no gradient."""
    reason = why_unused(model)
    if reason is not None:
        notes.changed.append(f'find_unused_parameters = True, for training on several GPUs: {reason}')
    return {'find_unused_parameters': True} if reason or source.cfg.get('find_unused_parameters') else {}


def find_task(source: SourceConfig) -> tuple[Task, Adaptation]:
    """Return the task of a source, by its library and its data, and what it gets there.

    Raises:
        NotAdaptable: if it has no data.
    """
    loader = source.cfg.get('train_dataloader') or source.cfg.get('test_dataloader') or {}
    dataset: Mapping[str, Any] = loader.get('dataset') or {}
    while 'dataset' in dataset or 'datasets' in dataset:
        dataset = dataset['dataset'] if 'dataset' in dataset else dataset['datasets'][0]
    name = kind(dataset) if 'type' in dataset else ''
    for task in TASKS.values():
        if task.adaptation is not None and task.adaptation.takes(source.package, name):
            return task, task.adaptation
    raise NotAdaptable('it has no data to train on')


def _resumable(model: dict[str, Any], notes: Notes) -> dict[str, Any]:
    """Have a model draw the sizes of its batches so that a resumed run draws the same ones."""
    for augment in (model.get('data_preprocessor') or {}).get('batch_augments') or ():
        if kind(augment) == 'BatchSyncRandomResize':
            augment['type'] = 'convnext_dense.BatchSyncRandomResize'
            notes.changed.append('sizes of batches are drawn from seed and step, so that a resumed run has the same')
    return model


def _without_truth(model: dict[str, Any], adaptation: Adaptation, notes: Notes) -> dict[str, Any]:
    """Leave out the parts of a detector that learn the classes of all pixels, where its data here do not have them."""
    roi_head = model.get('roi_head')
    if not isinstance(roi_head, Mapping):
        return model
    found = [part for part in adaptation.without_truth if roi_head.get(part) is not None]
    if found:
        model['roi_head'] = {key: value for key, value in roi_head.items() if key not in found}
        notes.undecided.append(
            f'{" and ".join(found)} of the RoI head are left out: they learn the classes of all pixels, and the '
            'annotations of objects have none'
        )
    return model
