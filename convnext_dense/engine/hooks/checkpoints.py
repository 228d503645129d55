"""Hook that writes and deletes checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...checkpoints import disk, manifest
from ...checkpoints import files as checkpoints
from ...io.files import TEMPORARY_NAME
from ...registry import HOOKS
from .ema import EMA


@HOOKS.register_module()
class Checkpoints(Hook):
    """Hook that writes ``epoch_N.pth`` after epochs, or ``iter_N.pth`` after steps, and ``best.pth`` after validation.

    A run that is stopped by a signal inside epoch N + 1 writes ``epoch_N_iter_M.pth``, after M steps. An old file is
    deleted only after the new one is complete on disk and in the manifest
    (:mod:`convnext_dense.checkpoints.manifest`); mmengine's own hook deletes first.

    Args:
        interval: epochs between checkpoints, or steps if the train loop counts steps; there is always one at the end.
        keep: number of checkpoints to keep.
        best: metric, higher is better, whose best weights are kept as ``best.pth``, without the optimizer; None for no
            such file.
    """

    priority = 'VERY_LOW'

    def __init__(self, interval: int = 1, keep: int = 3, best: str | None = None) -> None:
        self.interval = interval
        self.keep = keep
        self.best = best
        self._written = ''  # name of the last file that this process wrote

    def before_train(self, runner: Runner) -> None:
        """Delete the temporary files of a killed run, and check the free disk space."""
        if not is_main_process():
            return
        for path in Path(runner.work_dir).iterdir():
            if (match := TEMPORARY_NAME.fullmatch(path.name)) and checkpoints.is_run_file(match[1]):
                path.unlink(missing_ok=True)
        manifest.prune(runner.work_dir)
        present = checkpoints.list_checkpoints(runner.work_dir)
        if present:
            checkpoints.write_pointer(present[-1])
        if warning := disk.check_space(runner.work_dir, _full_size(runner), len(present), self.keep):
            runner.logger.warning(warning)

    def after_train_epoch(self, runner: Runner) -> None:
        epoch = runner.epoch + 1
        if not runner.train_loop.counts_steps and (epoch % self.interval == 0 or epoch == runner.max_epochs):
            self._save(runner, f'epoch_{epoch}.pth', by_epoch=True)

    def after_train_iter(self, runner: Runner, *args: object, **kwargs: object) -> None:
        step = runner.iter + 1
        if runner.train_loop.counts_steps and (step % self.interval == 0 or step == runner.max_iters):
            self._save(runner, f'iter_{step}.pth', by_epoch=False)

    def before_stop(self, runner: Runner) -> None:
        """Save the state after the last step when a signal stops the run; called between two steps."""
        path = self._save_last_step(runner)
        runner.logger.warning(f'stopped after step {runner.iter}, saved as {path}')

    def after_train(self, runner: Runner) -> None:
        """Save the state after the last step if a hook ended the run early, and record that the run is finished."""
        if runner.iter < runner.max_iters:
            self._save_last_step(runner)
            if is_main_process():
                if runner.val_loop is not None:
                    best = runner.message_hub.runtime_info.get('best_score')
                    manifest.note_validated(runner.work_dir, runner.iter, best)
                manifest.note_stopped_early(runner.work_dir, runner.iter)

    def _save_last_step(self, runner: Runner) -> Path:
        """Save the state after the last step unless it is already saved, and return the file's path."""
        loop = runner.train_loop
        if loop.counts_steps:
            name = f'iter_{runner.iter}.pth'
        elif runner.iter == runner.epoch * len(loop.dataloader):
            name = f'epoch_{runner.epoch}.pth'
        else:
            name = f'epoch_{runner.epoch}_iter_{runner.iter}.pth'
        path = Path(runner.work_dir, name)
        if is_main_process() and name != self._written and (not path.exists() or manifest.damage(path)):
            complete = min(runner.epoch, runner.iter // len(loop.dataloader))  # a run that ends early counts its last
            self._save(runner, name, meta={'epoch': complete, 'iter': runner.iter})
        return path

    def _save(self, runner: Runner, name: str, **kwargs: Any) -> None:
        runner.save_checkpoint(runner.work_dir, name, **kwargs)
        if is_main_process():
            path, self._written = Path(runner.work_dir, name), name
            checkpoints.write_pointer(path)
            # ignore checkpoints with more steps: they must be damaged, or the run would have resumed from them
            current = checkpoints.sort_key(path)
            present = checkpoints.list_checkpoints(runner.work_dir)
            for old in [p for p in present if checkpoints.sort_key(p) <= current][: -self.keep]:
                old.unlink()
            manifest.prune(runner.work_dir, name)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        score = (metrics or {}).get(self.best or '')
        best = runner.message_hub.runtime_info.get('best_score')
        if score is not None and score > (float('-inf') if best is None else best):  # False for NaN
            best = score
            runner.message_hub.update_info('best_score', best)
            meta = {'epoch': runner.epoch, 'iter': runner.iter}
            runner.save_checkpoint(
                runner.work_dir, checkpoints.BEST, save_optimizer=False, save_param_scheduler=False, meta=meta
            )
            if is_main_process():
                manifest.prune(runner.work_dir, checkpoints.BEST)
            runner.logger.info(f'best so far: {self.best} {score:.2f}, kept as {checkpoints.BEST}')
        if is_main_process():
            manifest.note_validated(runner.work_dir, runner.iter, best)


def _full_size(runner: Runner) -> int:
    """Estimate a checkpoint's size in bytes: weights, their average, and two optimizer values per trained weight."""
    weights = disk.tensor_bytes(runner.bare_model.state_dict())
    averages = sum(disk.tensor_bytes(hook.average) for hook in runner.hooks if isinstance(hook, EMA))
    trained = [p for p in runner.bare_model.parameters() if p.requires_grad]
    return weights + averages + 2 * disk.tensor_bytes(trained)
