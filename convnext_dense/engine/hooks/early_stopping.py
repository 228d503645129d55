"""Hook that ends a run when a metric no longer improves."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import EarlyStoppingHook
from mmengine.runner import Runner

from ...errors import UserError
from ...evaluation.metric_names import describe_metrics, find_metric, rule_of
from ...registry import HOOKS

STATE = 'early_stopping'
"""Key in a checkpoint's ``runtime_info``: count and best score of each hook by its metric."""


@HOOKS.register_module()
class EarlyStopping(EarlyStoppingHook):
    """mmengine's ``EarlyStoppingHook``, whose count is in the checkpoints: a resumed run ends where it would have.

    A config that names mmengine's hook gets this one.

    Args:
        monitor: the metric, as the validation names it; ``'mIoU'`` is ``'raw/mIoU'``.
        rule: ``'greater'`` or ``'less'``, the values that are better; None to know it by the name.
        min_delta: smallest improvement that counts.
        strict: raise an error if a validation lacks the metric; otherwise a line is logged.
        check_finite: end the run if the metric is NaN or infinite.
        patience: number of validations without improvement that ends the run.
        stopping_threshold: value of the metric at which the run ends at once.

    Raises:
        UserError: if the rule is unknown, or with ``strict`` the metric.
    """

    def __init__(
        self,
        monitor: str,
        rule: str | None = None,
        min_delta: float = 0.1,
        strict: bool = False,
        check_finite: bool = True,
        patience: int = 5,
        stopping_threshold: float | None = None,
    ) -> None:
        rule = rule or rule_of(monitor)
        if rule not in ('greater', 'less'):
            raise UserError(
                f'EarlyStoppingHook: are greater or smaller values of {monitor} better? '
                "set its rule to 'greater' or 'less'"
            )
        super().__init__(monitor, rule, min_delta, strict, check_finite, patience, stopping_threshold)
        self.wait_count: int
        self.best_score: float
        self._absence_is_logged = False

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        metrics = metrics or {}
        name = find_metric(self.monitor, list(metrics))
        if name is None:
            self._report_absence(runner, list(metrics))
            return
        super().after_val_epoch(runner, {self.monitor: metrics[name]})
        self.keep_state(runner, wait_count=self.wait_count, best_score=self.best_score)

    def keep_state(self, runner: Runner, **state: Any) -> None:
        """Put the hook's state into the message hub, which is in the checkpoints."""
        runner.message_hub.update_info(STATE, {**runner.message_hub.get_info(STATE, {}), self.monitor: state})

    def kept_state(self, runner: Runner) -> dict[str, Any]:
        """Return the hook's state in the message hub, empty before the first validation."""
        state: dict[str, Any] = runner.message_hub.get_info(STATE, {}).get(self.monitor, {})
        return state

    def resume(self, runner: Runner) -> None:
        """Set count and best score to those of the checkpoint that the run resumes from, which the message hub has."""
        state = self.kept_state(runner)
        self.wait_count = state.get('wait_count', self.wait_count)
        self.best_score = state.get('best_score', self.best_score)

    def _report_absence(self, runner: Runner, metrics: list[str]) -> None:
        known = describe_metrics(metrics, self.monitor)
        line = f'EarlyStoppingHook: the validation has no metric {self.monitor!r}, it has {known}'
        if self.strict:
            raise UserError(line)
        if not self._absence_is_logged:
            self._absence_is_logged = True
            runner.logger.warning(f'{line}: it ends no run')
