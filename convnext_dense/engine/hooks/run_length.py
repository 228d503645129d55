"""Hook that says when a run is too short for its settings."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...data.foreign import has_tiles
from ...registry import HOOKS
from ..total_batch import lr_for_batch

FEW_STEPS = 300
"""Optimizer steps below which a run learns little, whatever its recipe."""
SMALL_BATCH = 16
"""Images of a step that a run on few images can do with."""
WARM_UP_SHARE = 0.5
"""Share of a run from which its warm-up is too long."""


@HOOKS.register_module()
class RunLength(Hook):
    """Hook that logs one line if a run has few optimizer steps, or if its warm-up or lr schedule outlast it.

    The line gives the numbers of the run, and the setting that fixes each. The EMA hook says it of its average. A run
    that is short on purpose leaves the hook out: ``default_hooks.run_length=None``.
    """

    def before_train(self, runner: Runner) -> None:
        loop = runner.train_loop
        by_step = getattr(loop, 'counts_steps', False)
        per_epoch, plan = len(loop.dataloader), getattr(loop, 'plan', None)
        config, parts = runner.cfg or {}, []
        if plan is not None and runner.max_iters < FEW_STEPS:
            dataset = loop.dataloader.dataset
            images, kind = len(dataset), 'tiles' if has_tiles(dataset) else 'images'
            smaller = describe_small_batch(images, plan.wanted, config.get('optim_wrapper') or {}, plan.processes)
            parts.append(describe_few_steps(runner.max_iters, per_epoch, images, plan.total, by_step, smaller, kind))
        schedule = config.get('param_scheduler')
        if isinstance(schedule, Sequence):
            length = runner.max_iters if by_step else runner.max_epochs
            parts += describe_schedule(schedule, length, by_step)
        if parts:
            runner.logger.warning(f'this run is short for its settings: {"; ".join(parts)}')


def describe_small_batch(images: int, wanted: int, wrapper: Mapping[str, Any], processes: int = 1) -> str:
    """Return options for a smaller batch, with the lr that suits it.

    The lr is that of :func:`~convnext_dense.engine.total_batch.lr_for_batch`.

    Args:
        images: training images.
        wanted: total batch that the config's lr is for.
        wrapper: the config's ``optim_wrapper``.
        processes: number of processes.
    """
    batch = min(SMALL_BATCH, images)
    of_process = max(1, batch // processes)
    options = f'--cfg-options train_cfg.total_batch_size={batch} train_dataloader.batch_size={of_process}'
    optimizer = wrapper.get('optimizer') or {}
    if optimizer.get('lr') is None:
        return options
    return f'{options} optim_wrapper.optimizer.lr={lr_for_batch(optimizer, batch, wanted):.3g}'


def describe_few_steps(
    steps: int, per_epoch: int, images: int, batch: int, by_step: bool, smaller_batch: str, kind: str = 'images'
) -> str:
    """Describe a run of few steps, and what gives it more.

    Args:
        steps: optimizer steps of the run.
        per_epoch: optimizer steps of an epoch.
        images: training images, or tiles of them.
        batch: images of a step.
        by_step: the run's length is given in steps.
        smaller_batch: options for a smaller batch.
        kind: what the images are called.
    """
    text = f'{steps} optimizer step{"s" if steps > 1 else ""} of {batch} of {images} {kind}'
    if by_step:
        return f'{text}: --iters {FEW_STEPS} or more'
    advice = [f'--epochs {math.ceil(FEW_STEPS / per_epoch)} makes {math.ceil(FEW_STEPS / per_epoch) * per_epoch}']
    smaller = min(SMALL_BATCH, images)
    more = images // smaller * round(steps / per_epoch)
    if more > steps:
        advice.insert(0, f'{smaller_batch} makes {more} in as many epochs')
    return f'{text}: {", ".join(advice)}'


def describe_schedule(schedule: Sequence[Mapping[str, Any]], length: int, by_step: bool) -> Iterator[str]:
    """Describe parts of an lr schedule that the run ends before.

    Parts in other units than the run's length are not checked: the warm-up in steps is limited when it is built. A
    curve in steps may end one step after the run, where mmengine's configs have it: it then ends with the last step.

    Args:
        schedule: the config's schedulers.
        length: length of the run, in epochs or steps.
        by_step: the length is in steps.
    """
    unit = 'steps' if by_step else 'epochs'
    for index, part in enumerate(schedule):
        if part.get('by_epoch', True) == by_step:
            continue
        begin, end, name = part.get('begin', 0), part.get('end', math.inf), f'param_scheduler.{index}'
        rises = part['type'] in ('LinearLR', 'ConstantLR') and not begin
        if rises and end < math.inf and end > WARM_UP_SHARE * length and end - begin > 1:
            shorter = max(1, length // 10)
            moved = [
                f'param_scheduler.{i}.begin={shorter}' for i, one in enumerate(schedule) if one.get('begin') == end
            ]
            options = ' '.join([f'{name}.end={shorter}', *moved])
            yield f'the warm-up takes {end:g} of {length} {unit}: --cfg-options {options}'
        elif not rises and length + by_step < end < math.inf:
            yield f'{part["type"]} would end at {end:g} {unit}, the run at {length}: --cfg-options {name}.end={length}'
        late = [milestone for milestone in part.get('milestones', ()) if milestone >= length]
        if late:
            options = ','.join(
                f'{max(1, round(length * share)):g}' for share in (0.75, 11 / 12)[: len(part['milestones'])]
            )
            yield (
                f'the lr would drop at {late[0]:g} {unit}, the run ends at {length}: '
                f'--cfg-options {name}.milestones=[{options}]'
            )
