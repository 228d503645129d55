"""Hook that says how a run's data are split, and keeps the split in the work dir."""

from __future__ import annotations

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...data.foreign import innermost
from ...data.subset import write_split
from ...errors import UserError
from ...registry import HOOKS


@HOOKS.register_module()
class KeepSplit(Hook):
    """Hook that logs how the images are split into those for training and for validation, and writes ``split.json``.

    Without a data set that is a part of another one, it does nothing.

    Raises:
        UserError: if the run has several data sets that are split.
    """

    def before_train(self, runner: Runner) -> None:
        parts = innermost(runner.train_loop.dataloader.dataset)
        splits = [part.kept_split for part in parts if getattr(part, 'kept_split', None)]
        if not splits:
            return
        if any(one != splits[0] for one in splits):
            folders = ' and '.join(dict.fromkeys(one.folder for one in splits))
            raise UserError(
                f'a run keeps the split of one data set, and subset is set for {folders}: split one of them'
            )
        runner.logger.info(splits[0].line)
        if is_main_process():
            write_split(runner.work_dir, splits[0])
