"""Checkpoint files: when they are written and pruned, writing them whole, finding the newest."""

from __future__ import annotations

import os
import re
from pathlib import Path

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..errors import UserError
from ..files import whole
from ..models.fetch import locate
from ..registry import HOOKS

NAME = re.compile(r'(epoch|iter)_(\d+)\.pth')


@HOOKS.register_module()
class Checkpoints(Hook):
    """Writes ``epoch_N.pth`` after training epochs, or ``iter_N.pth`` after steps, and ``best.pth`` after validation.

    A new file is whole on disk before an old one goes (mmengine's own hook deletes first).

    Args:
        interval: epochs between two checkpoints, or steps where the train loop counts steps; the last one always gets
            one.
        keep: how many of them stay.
        best: the metric, the higher the better, whose best epoch is kept as ``best.pth``, without the optimizer;
            None for no such file.
    """

    priority = 'VERY_LOW'

    def __init__(self, interval: int = 1, keep: int = 3, best: str | None = None) -> None:
        self.interval = interval
        self.keep = keep
        self.best = best

    def after_train_epoch(self, runner: Runner) -> None:
        epoch = runner.epoch + 1
        if not runner.train_loop.counts_steps and (epoch % self.interval == 0 or epoch == runner.max_epochs):
            self._save(runner, f'epoch_{epoch}.pth', by_epoch=True)

    def after_train_iter(self, runner: Runner, *args: object, **kwargs: object) -> None:
        step = runner.iter + 1
        if runner.train_loop.counts_steps and (step % self.interval == 0 or step == runner.max_iters):
            self._save(runner, f'iter_{step}.pth', by_epoch=False)

    def _save(self, runner: Runner, name: str, by_epoch: bool) -> None:
        runner.save_checkpoint(runner.work_dir, name, by_epoch=by_epoch)
        if is_main_process():
            for _, path in found(runner.work_dir)[: -self.keep]:
                path.unlink()

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        score = (metrics or {}).get(self.best or '')
        if score is None or score <= runner.message_hub.get_info('best_score', float('-inf')):
            return
        runner.message_hub.update_info('best_score', score)
        meta = {'epoch': runner.epoch, 'iter': runner.iter}
        runner.save_checkpoint(
            runner.work_dir, 'best.pth', save_optimizer=False, save_param_scheduler=False, meta=meta
        )
        runner.logger.info(f'best so far: {self.best} {score:.2f}, kept as best.pth')


def write(content: dict, path: str | Path) -> None:
    """Write beside the target, flush to disk, rename: at no moment is there half a file under ``path``."""
    with whole(path) as temporary, open(temporary, 'wb') as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())


def found(work_dir: str | Path) -> list[tuple[int, Path]]:
    """The checkpoints in a work dir with the epochs or iterations behind them, the fewest first."""
    return sorted((int(m[2]), p) for p in Path(work_dir).glob('*.pth') if (m := NAME.fullmatch(p.name)))


def newest(work_dir: str | Path) -> Path:
    """The checkpoint in a work dir that has the most epochs or iterations behind it.

    Raises:
        UserError: if there is none.
    """
    checkpoints = found(work_dir)
    if not checkpoints:
        raise UserError(f'no checkpoint (epoch_N.pth) in {work_dir}: check the path, or train without --resume')
    return checkpoints[-1][1]


def find(source: str | Path) -> Path:
    """The file of a checkpoint: the newest in a work dir, else what :func:`~..models.fetch.locate` finds.

    Raises:
        UserError: if there is none.
    """
    path = locate(source)
    return newest(path) if path.is_dir() else path
