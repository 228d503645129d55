"""Checkpoint files: when they are written and pruned, writing them whole, finding the newest that is whole."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..errors import UserError
from ..files import TEMPORARY, durable
from ..models.fetch import locate
from ..registry import HOOKS
from . import disk, manifest
from .ema import EMA

NAME = re.compile(r'epoch_(\d+)(?:_iter_(\d+))?\.pth|iter_(\d+)\.pth')
BEST = 'best.pth'
POINTER = 'last_checkpoint'  # mmengine's tools read the newest checkpoint's path in it


@HOOKS.register_module()
class Checkpoints(Hook):
    """Writes ``epoch_N.pth`` after training epochs, or ``iter_N.pth`` after steps, and ``best.pth`` after validation.

    A run that a signal stops inside epoch N + 1 leaves ``epoch_N_iter_M.pth``, after M steps. A new file is whole on
    the disk, and known to the manifest (:mod:`.manifest`), before an old one goes; mmengine's own hook deletes first.

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
        self._written = ''  # the last one that this process wrote

    def before_train(self, runner: Runner) -> None:
        """Tidy up what a killed run left, and see that there is room."""
        if not is_main_process():
            return
        for path in Path(runner.work_dir).iterdir():
            if (match := TEMPORARY.fullmatch(path.name)) and _is_ours(match[1]):
                path.unlink(missing_ok=True)
        manifest.settle(runner.work_dir)
        present = found(runner.work_dir)
        if present:
            _point_to(present[-1])
        if warning := disk.check_room(runner.work_dir, _full_size(runner), len(present), self.keep):
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
        """Save the state after the last step, unless it is saved already; called between two steps."""
        loop = runner.train_loop
        if loop.counts_steps:
            name = f'iter_{runner.iter}.pth'
        elif runner.iter == runner.epoch * len(loop.dataloader):
            name = f'epoch_{runner.epoch}.pth'
        else:
            name = f'epoch_{runner.epoch}_iter_{runner.iter}.pth'
        path = Path(runner.work_dir, name)
        if is_main_process() and name != self._written and (not path.exists() or manifest.problem(path)):
            self._save(runner, name, meta={'epoch': runner.epoch, 'iter': runner.iter})
        runner.logger.warning(f'stopped after step {runner.iter}, saved as {path}')

    def _save(self, runner: Runner, name: str, **kwargs: Any) -> None:
        runner.save_checkpoint(runner.work_dir, name, **kwargs)
        if is_main_process():
            path, self._written = Path(runner.work_dir, name), name
            _point_to(path)
            # what is further on is damaged, or the run would not have gone on from here: it counts for nothing
            for old in [p for p in found(runner.work_dir) if _order(p) <= _order(path)][: -self.keep]:
                old.unlink()
            manifest.settle(runner.work_dir, name)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        score = (metrics or {}).get(self.best or '')
        best = runner.message_hub.runtime_info.get('best_score')
        if score is not None and score > (float('-inf') if best is None else best):  # NaN is not
            best = score
            runner.message_hub.update_info('best_score', best)
            meta = {'epoch': runner.epoch, 'iter': runner.iter}
            runner.save_checkpoint(runner.work_dir, BEST, save_optimizer=False, save_param_scheduler=False, meta=meta)
            if is_main_process():
                manifest.settle(runner.work_dir, BEST)
            runner.logger.info(f'best so far: {self.best} {score:.2f}, kept as {BEST}')
        if is_main_process():
            manifest.note_validated(runner.work_dir, runner.iter, best)


def write(content: dict, path: str | Path) -> None:
    """Write beside the target, flush to disk, note it in the manifest, rename: there is never half a file.

    Raises:
        UserError: if the disk is full; every earlier file is as it was.
    """
    path, meta = Path(path), content.get('meta', {})
    try:
        with durable(path) as temporary:
            with open(temporary, 'wb') as raw:
                file = manifest.HashingFile(raw)
                try:
                    torch.save(content, file)  # type: ignore[arg-type]
                except Exception as error:
                    raise file.error or error from None
            manifest.promise(path, {**file.entry(), 'epoch': meta.get('epoch'), 'step': meta.get('iter')})
    except OSError as error:
        if error.errno in disk.NO_SPACE:
            raise disk.no_space(error, path, disk.bytes_of(content)) from error
        raise


def found(work_dir: str | Path) -> list[Path]:
    """The checkpoints in a work dir that a run can go on from, whole or not, the one with the fewest steps first."""
    return sorted((p for p in Path(work_dir).glob('*.pth') if NAME.fullmatch(p.name)), key=_order)


def newest(work_dir: str | Path) -> Path:
    """The checkpoint in a work dir that has the most steps behind it, of those that are whole; the others are named.

    Raises:
        UserError: if there is none.
    """
    broken = []
    for path in reversed(found(work_dir)):
        what = manifest.problem(path)
        if what is None:
            return path
        broken.append(f'{path.name} ({what})')
        logging.getLogger('mmengine').warning(f'checkpoint {path} is damaged and passed over: {what}')
    if broken:
        raise UserError(f'no whole checkpoint in {work_dir}: {", ".join(broken)}')
    raise UserError(f'no checkpoint (epoch_N.pth) in {work_dir}: check the path, or train without --resume')


def check_newest(path: str | Path, work_dir: str | Path) -> None:
    """See that going on from a checkpoint is not going back behind others in the work dir.

    Raises:
        UserError: if whole ones there are further on: ``--resume`` would take them for the newest later.
    """
    place = NAME.fullmatch(Path(path).name) and _order(Path(path))
    later = [p for p in found(work_dir) if (not place or _order(p) > place) and manifest.problem(p) is None]
    if later:
        raise UserError(
            f'{path} is not the newest checkpoint in {work_dir}, which has {", ".join(p.name for p in later)}: '
            'move them away, or go on from a copy in another --work-dir'
        )


def find(source: str | Path) -> Path:
    """The file of a checkpoint: the newest in a work dir, else what :func:`~..models.fetch.locate` finds.

    Raises:
        UserError: if there is none, or the manifest beside it says that it is damaged.
    """
    path = locate(source)
    if path.is_dir():
        return newest(path)
    manifest.check(path)
    return path


def _order(path: Path) -> tuple[int, int]:
    match = NAME.fullmatch(path.name)
    assert match
    epoch, step_inside, step = (int(group or 0) for group in match.groups())
    return epoch or step, step_inside


def _is_ours(name: str) -> bool:
    return name in (BEST, POINTER, manifest.FILE_NAME) or NAME.fullmatch(name) is not None


def _point_to(path: Path) -> None:
    with durable(path.with_name(POINTER)) as temporary:
        temporary.write_text(str(path.resolve()))


def _full_size(runner: Runner) -> int:
    """Bytes of a checkpoint: weights, their average, and the optimizer's two numbers for each trained weight."""
    weights = disk.bytes_of(runner.bare_model.state_dict())
    averages = sum(disk.bytes_of(hook.average) for hook in runner.hooks if isinstance(hook, EMA))
    trained = [p for p in runner.bare_model.parameters() if p.requires_grad]
    return weights + averages + 2 * disk.bytes_of(trained)
