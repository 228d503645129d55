"""Numbers logged beside mmengine's numbers: the optimizer's own lr; in files also each group's lr and the memory."""

from __future__ import annotations

import resource

from mmengine.hooks import RuntimeInfoHook
from mmengine.runner import LogProcessor as MMLogProcessor
from mmengine.runner import Runner

from ...registry import HOOKS, LOG_PROCESSORS


@HOOKS.register_module()
class RuntimeInfo(RuntimeInfoHook):
    """mmengine's hook with one ``lr``: the optimizer's own, before any layer's scale.

    Losses of a skipped step are not logged: a NaN would hide the other steps' losses in the means.
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
    """mmengine's log processor, with more numbers in the files and trackers.

    The lr of every parameter group is ``train/lr/<group>``. ``host_memory`` is the peak memory of this process, beside
    mmengine's ``memory``, the peak memory of tensors on the GPU, both in MB (2**20 bytes).
    """

    def get_log_after_iter(self, runner: Runner, batch_idx: int, mode: str) -> tuple[dict, str]:
        tag, line = super().get_log_after_iter(runner, batch_idx, mode)
        groups = runner.optim_wrapper.optimizer.param_groups if mode == 'train' else []
        if any(group.get('layer_id') is not None for group in groups):
            tag.update({f'train/lr/{group["group_name"]}': group['lr'] for group in groups})
        if mode == 'train':
            tag['host_memory'] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # of KB, on Linux
        return tag, line
