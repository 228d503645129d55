"""Which learning rates are logged: the optimizer's own on the console, every group's in the files."""

from __future__ import annotations

from mmengine.hooks import RuntimeInfoHook
from mmengine.runner import LogProcessor as MMLogProcessor
from mmengine.runner import Runner

from ..registry import HOOKS, LOG_PROCESSORS


@HOOKS.register_module()
class RuntimeInfo(RuntimeInfoHook):
    """mmengine's, with one ``lr``: the optimizer's own, before any layer's scale."""

    def before_train_iter(self, runner: Runner, *args: object, **kwargs: object) -> None:
        runner.message_hub.update_info('iter', runner.iter)
        settings = runner.optim_wrapper.base_param_settings or runner.optim_wrapper.param_groups[0]
        runner.message_hub.update_scalar('train/lr', settings['lr'])


@LOG_PROCESSORS.register_module()
class LogProcessor(MMLogProcessor):
    """mmengine's, with the lr of every parameter group as ``train/lr/<group>`` in the files and trackers."""

    def get_log_after_iter(self, runner: Runner, batch_idx: int, mode: str) -> tuple[dict, str]:
        tag, line = super().get_log_after_iter(runner, batch_idx, mode)
        groups = runner.optim_wrapper.optimizer.param_groups if mode == 'train' else []
        if any(group.get('layer_id') is not None for group in groups):
            tag.update({f'train/lr/{group["group_name"]}': group['lr'] for group in groups})
        return tag, line
