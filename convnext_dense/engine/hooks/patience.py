"""Hook that ends a run when the metric that decides ``best.pth`` no longer improves: ``--patience N``."""

from __future__ import annotations

import math
from pathlib import Path

from mmengine.runner import Runner

from ...checkpoints.files import BEST
from ...counting import counted
from ...errors import UserError
from ...evaluation.metric_names import describe_metrics, format_metric
from ...registry import HOOKS
from .checkpoints import Checkpoints
from .early_stopping import EarlyStopping

NAME = 'patience'
"""What the manifest calls this hook in ``stopped_by``."""


@HOOKS.register_module()
class Patience(EarlyStopping):
    """Early stopping by the metric that decides ``best.pth``, of raw or averaged weights.

    A validation counts as an improvement exactly where it makes a new ``best.pth``: any better value does, an equal or
    NaN one does not. Count and best value are in the checkpoints, so a resumed run ends where it would have.

    Args:
        patience: number of validations in a row without improvement that ends the run.

    Attributes:
        best_at: when the best value was measured, such as ``epoch 4``; empty before the first.

    Raises:
        UserError: if the patience is below 1.
    """

    def __init__(self, patience: int) -> None:
        if isinstance(patience, bool) or not isinstance(patience, int) or patience < 1:
            raise UserError(f'patience {patience!r}: wait for at least 1 validation')
        super().__init__(BEST, 'greater', min_delta=0, check_finite=False, patience=patience)
        self.metric = ''
        self.best_at = ''

    def before_train(self, runner: Runner) -> None:
        """Say what ends the run, once, and that the schedule stays as it is.

        Raises:
            UserError: if the run has no validation, or keeps no ``best.pth``.
        """
        if runner.val_loop is None:
            raise UserError(
                f'--patience {self.patience} waits for validations, and this run has none: hold out a fifth of the '
                'images with --val-split 0.2'
            )
        best = self._checkpoints(runner).best
        if best is None:
            raise UserError(
                f'--patience {self.patience} waits for a better {BEST}, and default_hooks.checkpoint.best is None: '
                "set it to a metric, or 'auto'"
            )
        loop = runner.train_loop
        if loop.stop_training:
            return
        metric = self.metric or ('the first metric' if best == 'auto' else best)
        unit = 'step' if loop.counts_steps else 'epoch'
        every = f'every {loop.val_interval:,} {unit}s' if loop.val_interval > 1 else f'every {unit}'
        total = loop.max_iters if loop.counts_steps else loop.max_epochs
        line = (
            f'--patience {self.patience}: the run ends when {metric}, which decides {BEST}, has not improved in '
            f'{counted(self.patience, "validation")} in a row, of which there is one {every}; the learning-rate '
            f'schedule stays that of {counted(total, unit)}'
        )
        runner.logger.info(f'{line}; {self.wait_count} so far' if self.wait_count else line)
        most = sum(done % loop.val_interval == 0 or done == total for done in range(loop.val_begin, total + 1))
        if most <= self.patience and not loop.dynamic_milestones[1:]:
            runner.logger.warning(
                f'--patience {self.patience} never ends this run, which has {counted(most, "validation")}: the first '
                'one always is the best so far'
            )

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        metrics = metrics or {}
        found = self._checkpoints(runner).deciding(metrics)
        if found is None:
            self._report_no_metric(runner, list(metrics))
            return
        name, rule = found
        if name != self.metric:  # the first validation, or a resumed run that judges by another metric
            self.metric, self.wait_count = name, 0
            self.best_score = -math.inf if rule == 'greater' else math.inf
        score, loop = metrics[name], runner.train_loop
        if score > self.best_score if rule == 'greater' else score < self.best_score:
            self.best_score, self.wait_count = score, 0
            self.best_at = f'step {runner.iter}' if loop.counts_steps else f'epoch {runner.epoch}'
        else:
            self.wait_count += 1
        state = dict(wait_count=self.wait_count, best_score=self.best_score)
        self.keep_state(runner, **state, metric=self.metric, best_at=self.best_at)
        if self.is_over:
            loop.stop_training, loop.stopped_by, loop.stop_reason = True, NAME, self.reason(runner)

    def resume(self, runner: Runner) -> None:
        super().resume(runner)
        state = self.kept_state(runner)
        self.metric, self.best_at = state.get('metric', ''), state.get('best_at', '')

    @property
    def is_over(self) -> bool:
        """Whether there were as many validations without improvement as end the run."""
        return self.wait_count >= self.patience

    def reason(self, runner: Runner) -> str:
        """Say why the run ends: the metric, the best value, when it was, and where its weights are."""
        value = format_metric(self.metric, self.best_score)
        best = (
            f'best {value} after {self.best_at}, in {Path(runner.work_dir, BEST)}'
            if self.best_at
            else 'it never was a number'
        )
        return f'{self.metric} has not improved in {counted(self.wait_count, "validation")} in a row; {best}'

    def start_anew(self) -> None:
        """Set the count to 0, for a run that goes on for longer than it was planned; the best value is kept."""
        self.wait_count = 0

    def _report_no_metric(self, runner: Runner, metrics: list[str]) -> None:
        if not self._absence_is_logged:
            self._absence_is_logged = True
            best = str(self._checkpoints(runner).best)
            known = describe_metrics(metrics, best)
            runner.logger.warning(
                f'--patience {self.patience} ends no run: the validation has no metric {best!r}, it has {known}'
            )

    def _checkpoints(self, runner: Runner) -> Checkpoints:
        hook = next((hook for hook in runner.hooks if isinstance(hook, Checkpoints)), None)
        if hook is None:
            raise UserError(
                f'--patience {self.patience} waits for a better {BEST}, which default_hooks.checkpoint keeps'
            )
        return hook


def decide_on_resume(runner: Runner, stopped_by: str | None, is_longer: bool) -> str | None:
    """Decide whether a run is over when it is resumed, and set ``stop_training``.

    A run that :class:`Patience` ended goes on with a larger patience, without the hook, or for longer than it was
    planned; then the count starts anew. One that another hook ended does not.

    Args:
        runner: the runner, whose hooks have their state of the last validation.
        stopped_by: name of the hook that ended the run, ``''`` if it has none; None if none ended it.
        is_longer: the run is resumed with another length.

    Returns:
        A line about what happens; None if there is nothing to say.
    """
    hook = next((hook for hook in runner.hooks if isinstance(hook, Patience)), None)
    loop, is_over = runner.train_loop, hook is not None and hook.is_over
    if stopped_by is not None and stopped_by != NAME:
        loop.stop_training = True
        return None
    if hook is None:
        ended = f'the run ended early by its patience, and goes on without it after {loop.progress}'
        return ended if stopped_by == NAME else None
    if stopped_by is None and not is_over:
        return None
    waited = f'the run ended early after {counted(hook.wait_count, "validation")} without improvement'
    if is_over and not is_longer:
        loop.stop_training = True
        return (
            f'the run ended early, after {loop.progress}: {hook.reason(runner)}. It goes on with --patience '
            f'{2 * hook.wait_count}, or any number above {hook.wait_count}, or with another length'
        )
    loop.stop_training = False
    if is_over:
        hook.start_anew()
        return f'{waited}, and goes on since its length has changed: --patience {hook.patience} counts anew'
    return f'{waited}, and goes on with --patience {hook.patience}'
