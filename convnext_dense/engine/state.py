"""Collect the state of a run into a checkpoint, and restore it from one."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.logging import HistoryBuffer

from ..checkpoints import files as checkpoints
from ..checkpoints import manifest, resume
from ..checkpoints.content import RESUMABLE, Checkpoint, Meta, plain, to_cpu
from ..compat import mmengine_private_names as internals
from ..counting import counted
from ..errors import UserError
from ..version import __version__
from ..weights.class_counts import built_head_classes
from ..weights.hub_config import final_norm_eps


def collect(runner: Any, meta: Meta, optimizer: bool, schedulers: bool, config_text: str) -> Checkpoint:
    """Collect the state of a run into the content of a checkpoint.

    Args:
        runner: the runner.
        meta: ``epoch`` and ``iter``, the completed epochs and steps, and any other entries of ``meta``.
        optimizer: include the optimizer's state.
        schedulers: include the parameter schedulers' state.
        config_text: the config's text.
    """
    hub = runner.message_hub
    full_meta: Meta = {
        'run': resume.run_facts(runner),
        'experiment_name': runner.experiment_name,
        'time': time.strftime('%Y-%m-%d %H:%M:%S'),
        'convnext_dense': __version__,
        'cfg': config_text,
        'final_norm_eps': final_norm_eps(runner.bare_model),
        'dataset_meta': plain(getattr(runner.train_dataloader.dataset, 'metainfo', {})),
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
    if optimizer:
        content['optimizer'] = to_cpu(runner.optim_wrapper.state_dict())
    if schedulers and runner.param_schedulers is not None:
        content['param_schedulers'] = [plain(scheduler.state_dict()) for scheduler in runner.param_schedulers]
    return content


def restore(runner: Any, filename: str, content: Mapping[str, Any]) -> None:
    """Restore everything but the weights, so that the run continues exactly like an uninterrupted run.

    Args:
        runner: the runner, with train loop, optimizer and schedulers built.
        filename: path of the checkpoint; the manifest in its folder records whether its validation was finished.
        content: content of the checkpoint.

    Raises:
        UserError: if the file holds only weights, or if seed, batch, length, number of images, schedule or optimizer
            have changed.
    """
    absent = set(RESUMABLE) - content.keys()
    if absent:
        raise UserError(
            f'checkpoint {filename} holds weights only ({", ".join(sorted(absent))} absent) and cannot be resumed: '
            'start a new run from these weights with --pretrained'
        )
    meta, loop = content['meta'], runner.train_loop
    saved = meta.get('run', {})
    if warning := resume.check_same_run(saved, resume.run_facts(runner)):
        runner.logger.warning(warning)
    resume.check_same_optimizer(content['optimizer']['param_groups'], runner.optim_wrapper.optimizer.param_groups)
    loop.resume_after(meta['epoch'], meta['iter'], saved.get('sampler_seed'))
    for key, value in content['runtime_info'].items():
        runner.message_hub.update_info(key, value)
    for name, values in content.get('log_scalars', {}).items():
        runner.message_hub.log_scalars[name] = HistoryBuffer(values, [1] * len(values))
    entry = manifest.read(Path(filename).parent).get(Path(filename).name, {})
    loop.validated = 'best_score' in entry
    loop.stop_training = entry.get('stopped_early', False)
    if entry.get('best_score') is not None:
        runner.message_hub.update_info('best_score', entry['best_score'])
    runner.optim_wrapper.load_state_dict(content['optimizer'])
    resume.restore_schedulers(runner.param_schedulers, content['param_schedulers'])
    finished = ', the run was finished' if loop.stop_training or meta['iter'] >= runner.max_iters else ''
    runner.logger.info(
        f'resumed from {filename}: {counted(meta["epoch"], "epoch")}, {counted(meta["iter"], "step")} done{finished}'
    )


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


def check_same_classes(runner: Any, filename: str, classes: list[str] | None) -> None:
    """Check that a checkpoint's classes are those of the run's data.

    Args:
        runner: the runner.
        filename: path of the checkpoint.
        classes: class names in the checkpoint, or None if it has none.

    Raises:
        UserError: if they differ; the message has the differences.
    """
    own = _classes_of_data(runner)
    if classes and own and list(classes) != list(own):
        different = [f'{a} / {b}' for a, b in zip(classes, own, strict=False) if a != b]
        detail = f'{len(classes)} / {len(own)}' if len(classes) != len(own) else '; '.join(different[:3])
        raise UserError(f'checkpoint {filename} was trained on other classes than the data has: {detail}')


def check_heads(runner: Any) -> None:
    """Check that every head of a run's model has as many classes as the run's data.

    Raises:
        UserError: if one has not, such as a head whose config has no number and whose default is COCO's.
    """
    classes = _classes_of_data(runner)
    for name, count in built_head_classes(runner.bare_model).items():
        if classes and count != len(classes):
            raise UserError(
                f'{name or "the model"} has {count} classes, and the data {len(classes)}: '
                f'give {name or "model"} num_classes={len(classes)} in the config'
            )


def _classes_of_data(runner: Any) -> Sequence[str] | None:
    """Return the class names of the training data, or where there are none of the test data; None if unknown."""
    train_loop, test_loop = (internals.loop_or_config(runner, mode) for mode in ('train', 'test'))
    loop = test_loop if train_loop is None or isinstance(train_loop, dict) else train_loop
    return getattr(getattr(getattr(loop, 'dataloader', None), 'dataset', None), 'metainfo', {}).get('classes')
