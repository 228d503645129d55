"""Hook that logs the first optimizer step at once."""

from __future__ import annotations

import time
from datetime import timedelta

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from ...counting import counted
from ...registry import HOOKS


@HOOKS.register_module()
class FirstStep(Hook):
    """Hook that logs a line before the first batch is loaded, and one after the first optimizer step of each start.

    Regular log lines may be minutes apart; these show early that the run works and how long it will take. The estimate
    multiplies the time of the first step, without loading its first batch, by the remaining steps; it does not include
    validation. There is none for a compiled model, whose first step is no measure.
    """

    priority = 'LOWEST'

    def __init__(self) -> None:
        self._started: float | None = None
        self._loaded = 0.0
        self._finished = False

    def before_train_epoch(self, runner: Runner) -> None:
        if self._started is None:
            self._started = time.perf_counter()
            workers = runner.train_dataloader.num_workers
            with_workers = counted(workers, 'worker') if workers else 'no workers'
            runner.logger.info(f'starting the data loader ({with_workers}) and loading the first batch')

    def before_train_iter(self, runner: Runner, *args: object, **kwargs: object) -> None:
        if not self._finished:
            self._loaded = time.perf_counter()

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict[str, Tensor] | None = None,
    ) -> None:
        if self._finished or self._started is None:
            return
        self._finished = True
        seconds = time.perf_counter() - self._loaded
        loss = f'loss {float(outputs["loss"]):.4f}, ' if outputs else ''
        remaining = runner.max_iters - runner.iter - 1
        estimate = f'would take about {timedelta(seconds=round(remaining * seconds))}'
        if runner.cfg.get('compile_backbone') or runner.cfg.get('compile'):
            estimate = 'take less each, since it had the compilation'
        rest = f'the remaining {counted(remaining, "step")} {estimate}' if remaining else 'the last one'
        waited = self._loaded - self._started
        runner.logger.info(f'first step: {loss}{seconds:.1f} s, after {waited:.1f} s for its first batch; {rest}')
