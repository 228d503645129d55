"""What is logged beside mmengine's: the optimizer's own lr; in the files every group's, and the memory."""

from __future__ import annotations

import resource

from mmengine.hooks import RuntimeInfoHook
from mmengine.runner import LogProcessor as MMLogProcessor
from mmengine.runner import Runner

from ...registry import HOOKS, LOG_PROCESSORS


@HOOKS.register_module()
class RuntimeInfo(RuntimeInfoHook):
    """mmengine's, with one ``lr``: the optimizer's own, before any layer's scale."""

    def before_train_iter(self, runner: Runner, *args: object, **kwargs: object) -> None:
        runner.message_hub.update_info('iter', runner.iter)
        settings = runner.optim_wrapper.base_param_settings or runner.optim_wrapper.param_groups[0]
        runner.message_hub.update_scalar('train/lr', settings['lr'])


@LOG_PROCESSORS.register_module()
class LogProcessor(MMLogProcessor):
    """mmengine's, with more in the files and trackers.

    The lr of every parameter group is ``train/lr/<group>``. Beside mmengine's ``memory``, which the GPU's tensors have
    taken at most, ``host_memory`` is what this process has taken at most, both in MB (2**20 bytes).
    """

    def get_log_after_iter(self, runner: Runner, batch_idx: int, mode: str) -> tuple[dict, str]:
        tag, line = super().get_log_after_iter(runner, batch_idx, mode)
        groups = runner.optim_wrapper.optimizer.param_groups if mode == 'train' else []
        if any(group.get('layer_id') is not None for group in groups):
            tag.update({f'train/lr/{group["group_name"]}': group['lr'] for group in groups})
        if mode == 'train':
            tag['host_memory'] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # of KB, on Linux
        return tag, line
