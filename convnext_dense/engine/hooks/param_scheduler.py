"""Hook that steps the schedulers, of which some follow a metric."""

from __future__ import annotations

from mmengine.hooks import ParamSchedulerHook
from mmengine.runner import Runner

from ...errors import UserError
from ...evaluation.metric_names import describe_metrics, find_metric
from ...registry import HOOKS


@HOOKS.register_module()
class ParamScheduler(ParamSchedulerHook):
    """mmengine's ``ParamSchedulerHook``; a scheduler's ``monitor`` may be ``'mIoU'`` for ``'raw/mIoU'``.

    A config that names mmengine's hook gets this one.

    Raises:
        UserError: if a scheduler, such as ``ReduceOnPlateauLR``, follows a metric that the validation does not have.
    """

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        metrics = dict(metrics or {})
        followed = [s.monitor for s in runner.param_schedulers or () if getattr(s, 'need_val_args', False)]
        for name in followed:
            found = find_metric(name, list(metrics))
            if found is None:
                known = describe_metrics(list(metrics), name)
                raise UserError(f'param_scheduler.monitor {name!r} is no metric of the validation, which has {known}')
            metrics[name] = metrics[found]
        super().after_val_epoch(runner, metrics)
