"""Logged values in addition to mmengine's: the base lr, and in files also each group's lr and the process's memory."""

from __future__ import annotations

import resource
from typing import Any

from mmengine.hooks import RuntimeInfoHook
from mmengine.runner import LogProcessor as MMLogProcessor
from mmengine.runner import Runner

from ...registry import HOOKS, LOG_PROCESSORS

MEANS = r'^train/.*(loss|grad_norm)|time'
"""Names of the values that are logged as means over the last steps; losses of a validation are one value each."""


@HOOKS.register_module()
class RuntimeInfo(RuntimeInfoHook):
    """mmengine's hook with a single ``lr``: the optimizer's base lr, without the layers' scales.

    Losses of skipped steps are not logged, because a NaN would make all means NaN.
    """

    def before_train_iter(self, runner: Runner, *args: object, **kwargs: object) -> None:
        runner.message_hub.update_info('iter', runner.iter)
        settings = runner.optim_wrapper.base_param_settings or runner.optim_wrapper.param_groups[0]
        runner.message_hub.update_scalar('train/lr', settings['lr'])

    def after_train_iter(self, runner: Runner, *args: object, **kwargs: object) -> None:
        if runner.train_loop.last_step.taken:
            super().after_train_iter(runner, *args, **kwargs)


@LOG_PROCESSORS.register_module()
class LogProcessor(MMLogProcessor):
    """mmengine's log processor with additional values in files and experiment trackers.

    ``train/lr/<group>`` is the lr of a parameter group. ``host_memory`` is the peak memory of this process; mmengine's
    ``memory`` is the peak memory of tensors on the GPU. Both are in MB (2**20 bytes).

    Losses of a validation are logged as they are, and not as means over the validations so far, as mmengine's.
    """

    def __init__(self, *args: Any, **settings: Any) -> None:
        if settings.get('log_with_hierarchy'):  # otherwise names don't tell training from validation
            settings.setdefault('mean_pattern', MEANS)
        super().__init__(*args, **settings)

    def get_log_after_iter(self, runner: Runner, batch_idx: int, mode: str) -> tuple[dict, str]:
        tag, line = super().get_log_after_iter(runner, batch_idx, mode)
        groups = runner.optim_wrapper.optimizer.param_groups if mode == 'train' else []
        if any(group.get('layer_id') is not None for group in groups):
            tag.update({f'train/lr/{group["group_name"]}': group['lr'] for group in groups})
        if mode == 'train':
            tag['host_memory'] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # in KB on Linux
        return tag, line
