"""Collect the state of a run into a checkpoint, and restore it from one."""

from __future__ import annotations

import ast
import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.logging import HistoryBuffer
from mmengine.model import ImgDataPreprocessor
from torch import nn

from ..checkpoints import files as checkpoints
from ..checkpoints import length, manifest, resume
from ..checkpoints.content import RESUMABLE, VALIDATED_STEP, Checkpoint, Meta, plain, to_cpu
from ..compat import mmengine_private_names as internals
from ..counting import counted
from ..data.class_choice import as_choice
from ..data.foreign import classes_of, innermost
from ..errors import UserError
from ..models.band_preprocessor import TakesBands
from ..models.lora import LoraSettings, adapters_of
from ..version import __version__
from ..weights.class_counts import built_head_classes, built_panoptic_heads
from ..weights.extraction import dataset_meta
from ..weights.licenses import Origin, pretrained
from ..weights.preprocessing import Preprocessing, preprocessing_of_bands, preprocessing_of_levels
from ..weights.settings import settings_for_meta
from .hooks.early_stopping import EarlyStopping
from .hooks.param_scheduler import ParamScheduler
from .hooks.patience import decide_on_resume
from .remembered import RememberedValues, Values

SINGLE_CLASS = {'RPN', 'MultiInstanceBBoxHead'}
"""Classes of mmdet that find objects of one class: proposals, and the people of CrowdDet."""


def collect(
    runner: Any,
    meta: Meta,
    optimizer: bool,
    schedulers: bool,
    config_text: str,
    remembered: list[Values] | None = None,
) -> Checkpoint:
    """Collect the state of a run into the content of a checkpoint.

    Args:
        runner: the runner.
        meta: ``epoch`` and ``iter``, the completed epochs and steps, and any other entries of ``meta``.
        optimizer: include the optimizer's state.
        schedulers: include the parameter schedulers' state.
        config_text: the config's text.
        remembered: what the model remembers in each process, see :mod:`.remembered`.
    """
    hub = runner.message_hub
    full_meta: Meta = {
        'run': resume.run_facts(runner),
        'experiment_name': runner.experiment_name,
        **model_meta(
            runner.bare_model, runner.train_dataloader.dataset, config_text, used_preprocessing(runner), runner.origin
        ),
    }
    full_meta.update(meta)
    content: Checkpoint = {
        'meta': full_meta,
        'state_dict': to_cpu(runner.bare_model.state_dict()),
        'runtime_info': plain(hub.runtime_info),
        'log_scalars': {
            name: buffer.data[0][-runner.log_processor.window_size :].tolist()
            for name, buffer in hub.log_scalars.items()
            if name.startswith('train/')
        },
    }
    if remembered and any(remembered):
        content['remembered'] = remembered
    if optimizer:
        content['optimizer'] = to_cpu(runner.optim_wrapper.state_dict())
    if schedulers and runner.param_schedulers is not None:
        content['param_schedulers'] = [plain(scheduler.state_dict()) for scheduler in runner.param_schedulers]
    return content


def model_meta(
    model: nn.Module, dataset: Any, config_text: str, used: Preprocessing | None, origin: Origin | None
) -> Meta:
    """Return the entries of ``meta`` that describe a model and its classes, whatever trained it.

    Args:
        model: the model.
        dataset: the training data.
        config_text: the config's text.
        used: how images are prepared, None if it is unknown.
        origin: the weights of others that the model started from, None if it did from random ones.
    """
    return {
        'time': time.strftime('%Y-%m-%d %H:%M:%S'),
        'convnext_dense': __version__,
        'cfg': config_text,
        **settings_for_meta(model),  # type: ignore[typeddict-item]
        'pretrained': pretrained(origin),
        'lora': None if (adapters := adapters_of(model)) is None else adapters._asdict(),
        'preprocessing': None if used is None else used.as_meta(),
        'dataset_meta': plain(getattr(dataset, 'metainfo', {})),
    }


def used_preprocessing(runner: Any) -> Preprocessing | None:
    """Return how the images of a run are prepared: by its data, in evaluation where that differs, or by its model.

    Returns:
        None if both are of other packages and say nothing.
    """
    modes: tuple[Literal['val', 'test', 'train'], ...] = ('val', 'test', 'train')
    for loop in (internals.loop_or_config(runner, mode) for mode in modes):
        dataset = getattr(getattr(loop, 'dataloader', None), 'dataset', None)
        for part in innermost(dataset) if dataset is not None else ():
            if isinstance(found := getattr(part, 'preprocessing', None), Preprocessing):
                return found
    preprocessor = getattr(runner.bare_model, 'data_preprocessor', None)
    if not isinstance(preprocessor, ImgDataPreprocessor) or not internals.normalizes(preprocessor):
        return None
    mean, std = (value.flatten().tolist() for value in (preprocessor.mean, preprocessor.std))
    if isinstance(preprocessor, TakesBands):
        return preprocessing_of_bands(mean, std, preprocessor.bands)
    return preprocessing_of_levels(mean, std, internals.swaps_channels(preprocessor))


def restore(runner: Any, filename: str, content: Mapping[str, Any]) -> None:
    """Restore everything but the weights, so that the run continues exactly like an uninterrupted run.

    Args:
        runner: the runner, with train loop, optimizer and schedulers built.
        filename: path of the checkpoint; the manifest in its folder records whether its validation was finished.
        content: content of the checkpoint.

    Raises:
        UserError: if the file holds only weights, if seed, batch, number of images, schedule or optimizer have
            changed, or if the length has and the schedule can't be continued.
    """
    absent = set(RESUMABLE) - content.keys()
    if absent:
        raise UserError(
            f'checkpoint {filename} holds weights only ({", ".join(sorted(absent))} absent) and cannot be resumed: '
            'start a new run from these weights with --pretrained'
        )
    meta, loop = content['meta'], runner.train_loop
    own = resume.run_facts(runner)
    saved = resume.saved_facts(content, own)
    if warning := resume.check_same_run(saved, own):
        runner.logger.warning(warning)
    groups = content['optimizer']['param_groups'], runner.optim_wrapper.optimizer.param_groups
    resume.check_same_optimizer(*groups, resume.frozen_otherwise(saved, own))
    continued = None
    if saved.get('steps', loop.max_iters) != loop.max_iters:
        continued = length.continue_schedule(runner, filename, content)
        runner.logger.warning(
            f'the run had {saved["steps"]} steps and now has {loop.max_iters}: its schedule goes on as it was planned'
        )
    loop.resume_after(meta['epoch'], meta['iter'], saved.get('sampler_seed'))
    for key, value in content['runtime_info'].items():
        runner.message_hub.update_info(key, value)
    for name, values in content.get('log_scalars', {}).items():
        runner.message_hub.log_scalars[name] = HistoryBuffer(values, [1] * len(values))
    runner.remembered = RememberedValues(runner.bare_model)  # with the weights, before its first step
    if 'remembered' in content and (line := runner.remembered.restore(content['remembered'])):
        runner.logger.warning(line)
    runner.optim_wrapper.load_state_dict(content['optimizer'])
    if continued is None:
        same = _schedule_of(meta.get('cfg')) == _schedule_of(runner.cfg.pretty_text) is not None
        states = content['param_schedulers']
        line = resume.restore_schedulers(runner.param_schedulers, states, same, _resume_as_saved(filename))
        if line is not None:
            runner.logger.warning(line)
    else:
        continued.apply()
    entry = manifest.read(Path(filename).parent).get(Path(filename).name, {})
    _restore_validation(runner, meta['iter'], entry)
    stopped_by = entry.get('stopped_by', '') if entry.get('stopped_early') else None
    if line := decide_on_resume(runner, stopped_by, is_longer=continued is not None):
        runner.logger.warning(line)
    finished = ', the run was finished' if is_finished(runner) else ''
    runner.logger.info(
        f'resumed from {filename}: {counted(meta["epoch"], "epoch")}, {counted(meta["iter"], "step")} done{finished}'
    )


def is_finished(runner: Any) -> bool:
    """Tell whether nothing of a run is left to train."""
    return runner.train_loop.stop_training or runner.iter >= runner.max_iters


def _schedule_of(config_text: str | None) -> list[str] | None:
    """Return the settings of the schedule in a config's text, as text in one form; None if it can't be read."""
    try:
        body = ast.parse(config_text or '').body
    except SyntaxError:
        return None
    assigned = {ast.unparse(one.targets[0]): ast.unparse(one.value) for one in body if isinstance(one, ast.Assign)}
    return [assigned.get(key, 'None') for key in ('param_scheduler', 'schedule_length')] if assigned else None


def _resume_as_saved(filename: str) -> str:
    """Describe how to resume with the config that the run of a checkpoint saved in its work dir."""
    work_dir = Path(filename).parent
    found = list(work_dir.glob('*.py'))
    command = (
        shlex.join(['train', str(found[0]), '--work-dir', str(work_dir), '--resume']) if len(found) == 1 else None
    )
    return f'the config that it saved (`{command}`)' if command else 'the config that it saved'


def _restore_validation(runner: Any, step: int, entry: Mapping[str, Any]) -> None:
    """Restore the state after the validation of a checkpoint's step.

    A checkpoint is written before its validation, whose results are then in the manifest: hooks that decide by them
    get them again. A checkpoint that was written after it, by a run that stopped, has them in its state.
    """
    hub = runner.message_hub
    deciding = [hook for hook in runner.hooks if isinstance(hook, EarlyStopping | ParamScheduler)]
    for hook in deciding:
        if isinstance(hook, EarlyStopping):
            hook.resume(runner)
    included = hub.get_info(VALIDATED_STEP) == step
    runner.train_loop.validated = included or 'best_score' in entry
    if included or 'best_score' not in entry:
        return
    hub.update_info(VALIDATED_STEP, step)
    for key in ('best_score', 'best_metric'):
        if entry.get(key) is not None:
            hub.update_info(key, entry[key])
    if 'metrics' in entry:  # not in a manifest of an older version
        for hook in deciding:
            hook.after_val_epoch(runner, entry['metrics'])


def find_newest_for_all(runner: Any) -> str | None:
    """Find the checkpoint to resume, in the main process for all; returns None if ``resume='auto'`` finds none.

    Raises:
        UserError: if there is no intact checkpoint.
    """
    answer: list[str | UserError | None] = [None]
    optional = internals.resume_setting(runner) == 'auto'
    if is_main_process() and (not optional or checkpoints.list_checkpoints(runner.work_dir)):
        try:
            answer[0] = str(checkpoints.find_newest(runner.work_dir))
        except UserError as error:  # raised after the broadcast, for which the other processes wait
            answer[0] = error
    broadcast_object_list(answer)
    if isinstance(answer[0], UserError):
        raise answer[0]
    return answer[0]


def check_same_classes(runner: Any, filename: str, classes: list[str] | None, content: Mapping[str, Any]) -> None:
    """Check that a checkpoint's classes are those of the run's data.

    Args:
        runner: the runner.
        filename: path of the checkpoint.
        classes: class names in the checkpoint, or None if it has none.
        content: the checkpoint's content.

    Raises:
        UserError: if they differ; the message has the differences.
    """
    own = classes_of(_dataset_of(runner))
    if classes and own and list(classes) != list(own):
        different = [f'{a} / {b}' for a, b in zip(classes, own, strict=False) if a != b]
        detail = f'{len(classes)} / {len(own)}' if len(classes) != len(own) else '; '.join(different[:3])
        choice = as_choice(dataset_meta(content).get('choice'))
        chosen = f'; its run had {choice}' if choice else ''
        raise UserError(f'checkpoint {filename} was trained on other classes than the data has: {detail}{chosen}')


def check_same_adapters(runner: Any, filename: str, saved: LoraSettings | None) -> None:
    """Check that a resumed run has the LoRA adapters that it had.

    Args:
        runner: the runner.
        filename: path of the checkpoint.
        saved: the settings of its adapters, or None.

    Raises:
        UserError: if the run has none, or others.
    """
    own = adapters_of(runner.bare_model)
    if saved == own:
        return
    before, now = (one or 'no LoRA' for one in (saved, own))
    fix = 'without --lora' if saved is None else f'with {saved.flags}'
    raise UserError(
        f'the run of {filename} had {before} and now has {now}: resume {fix}; to change it, start a new run from its '
        'weights with --pretrained'
    )


def check_same_masks(runner: Any, filename: str, learned: bool | None) -> None:
    """Check that a checkpoint of a detector and the run's model both have a head for masks, or both have none.

    Args:
        runner: the runner.
        filename: path of the checkpoint.
        learned: whether the checkpoint is of a detector with masks; None for another model.

    Raises:
        UserError: if they differ.
    """
    roi_head = getattr(runner.bare_model, 'roi_head', None)
    if roi_head is None or learned in (None, roi_head.with_mask):
        return
    what = 'with masks, and this run learns boxes only' if learned else 'without masks, and this run learns masks'
    raise UserError(
        f'checkpoint {filename} is of a detector {what}: take data and config as its run had them; to go on with '
        'these, start a new run from its weights with --pretrained'
    )


def check_heads(runner: Any) -> None:
    """Check that every head of a run's model has as many classes as the run's data.

    Raises:
        UserError: if one has not, such as a head whose config has no number and whose default is COCO's, or one that
            is made for a single class.
    """
    dataset = _dataset_of(runner)
    classes = classes_of(dataset) or []
    kinds = {base.__name__ for module in runner.bare_model.modules() for base in type(module).__mro__}
    if len(classes) > 1 and (single := sorted(kinds & SINGLE_CLASS)):
        raise UserError(
            f'{single[0]} is made for one class, and the data have {len(classes)}: join them with '
            f"--merge '{','.join(classes)}->object'"
        )
    panoptic = built_panoptic_heads(runner.bare_model)
    learns_stuff = any(own_stuff for _, own_stuff in panoptic.values())
    stuff = len((getattr(dataset, 'metainfo', None) or {}).get('stuff_classes', ())) if learns_stuff else 0
    for name, (own_things, own_stuff) in panoptic.items() if classes and stuff else ():
        things = len(classes) - stuff
        if (own_things, own_stuff) != (things, stuff):
            raise UserError(
                f'{name or "the model"} has {own_things} classes of things and {own_stuff} of stuff, and the data '
                f'{things} and {stuff}: give {name or "model"} num_things_classes={things} and '
                f'num_stuff_classes={stuff} in the config'
            )
    for name, count in built_head_classes(runner.bare_model).items():
        if classes and not (stuff and name in panoptic) and count != len(classes) - stuff:
            of = ' of things' if stuff else ''
            raise UserError(
                f'{name or "the model"} has {count} classes, and the data {len(classes) - stuff}{of}: '
                f'give {name or "model"} num_classes={len(classes) - stuff} in the config'
            )


def _dataset_of(runner: Any) -> Any:
    """Return the training data of a run, or where there are none the test data."""
    train_loop, test_loop = (internals.loop_or_config(runner, mode) for mode in ('train', 'test'))
    loop = test_loop if train_loop is None or isinstance(train_loop, dict) else train_loop
    return getattr(getattr(loop, 'dataloader', None), 'dataset', None)
