"""Hook that shows a progress bar on terminals."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from datetime import timedelta

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from ...registry import HOOKS


@HOOKS.register_module()
class ProgressBar(Hook):
    """Hook that shows a live progress bar with ETA, loss and lr on a terminal; elsewhere it does nothing.

    While the bar is shown, log lines of single iterations go only to the log file.
    """

    priority = 'LOW'

    def __init__(self) -> None:
        self.bar: Progress | None = None
        self.task = TaskID(0)
        self._streams: list[tuple[logging.StreamHandler, object]] = []

    def before_run(self, runner: Runner) -> None:
        console = Console(file=sys.stdout)
        if not (console.is_terminal and is_main_process()):
            return
        self.bar = Progress(
            TextColumn('{task.description}'),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn('{task.fields[numbers]}'),
            console=console,
            transient=True,
        )
        for handler in _console_handlers(runner.logger):
            self._streams.append((handler, handler.stream))
            handler.setStream(_AboveTheBar(console))
            handler.addFilter(_no_iterations)
        self.bar.start()

    def after_run(self, runner: Runner) -> None:
        self.close()

    def close(self) -> None:
        """Remove the bar and restore the log's own stream."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None
        for handler, stream in self._streams:
            handler.setStream(stream)
            handler.removeFilter(_no_iterations)
        self._streams.clear()

    def _begin(self, description: str, total: int, done: int = 0) -> None:
        if self.bar is not None:
            for task in self.bar.task_ids:
                self.bar.remove_task(task)
            self.task = self.bar.add_task(description, total=total, completed=done, numbers='')

    def _show(self, runner: Runner, done: int, numbers: str) -> None:
        if self.bar is not None:
            eta = timedelta(seconds=int(runner.message_hub.get_info('eta', 0)))
            self.bar.update(self.task, completed=done, numbers=f'{numbers}  eta {eta}')

    def show_tiles(self, done: int, total: int) -> None:
        """Show how many tiles of the current image are predicted."""
        if self.bar is not None:
            self.bar.update(self.task, numbers=f'tile {done}/{total}')

    def before_train_epoch(self, runner: Runner) -> None:
        epochs = f'epoch {runner.epoch + 1}/{runner.max_epochs}'
        self._begin('step' if runner.train_loop.counts_steps else epochs, runner.max_iters, runner.iter)

    def after_train_iter(self, runner: Runner, *args: object, **kwargs: object) -> None:
        if self.bar is not None:
            scalars = runner.message_hub.log_scalars
            # there is no loss if all steps so far were skipped because of NaN
            loss = f'loss {scalars["train/loss"].mean(10):.4f}' if 'train/loss' in scalars else ''
            lr = runner.message_hub.get_scalar('train/lr').current()
            self._show(runner, runner.iter + 1, f'{loss}  lr {lr:.2e}')

    def before_val_epoch(self, runner: Runner) -> None:
        self._begin('validation', len(runner.val_dataloader))

    def after_val_iter(self, runner: Runner, batch_idx: int, **_: object) -> None:
        self._show(runner, batch_idx + 1, runner.message_hub.get_info('weights', ''))

    def before_test_epoch(self, runner: Runner) -> None:
        self._begin('test', len(runner.test_dataloader))

    def after_test_iter(self, runner: Runner, batch_idx: int, **_: object) -> None:
        self._show(runner, batch_idx + 1, runner.message_hub.get_info('weights', ''))


class _AboveTheBar:
    """Stream that prints its lines above the bar."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def write(self, text: str) -> None:
        if text.strip():
            self.console.print(text.rstrip('\n'), markup=False, highlight=False, soft_wrap=True)

    def flush(self) -> None:
        pass


def _console_handlers(logger: logging.Logger) -> Iterable[logging.StreamHandler]:
    return [h for h in logger.handlers if type(h) is logging.StreamHandler]


def _no_iterations(record: logging.LogRecord) -> bool:
    message = record.getMessage()
    return not (message.startswith(('Epoch(', 'Iter(')) and 'data_time' in message and 'images' not in message)
