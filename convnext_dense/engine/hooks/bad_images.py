"""Hook that reports images that could not be read."""

from __future__ import annotations

from collections.abc import Iterable

from mmengine.dist import all_gather_object
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...registry import HOOKS


@HOOKS.register_module()
class BadImages(Hook):
    """Hook that logs each skipped image (``--on-bad-image skip``) once, and their number at the end."""

    def __init__(self) -> None:
        self.paths: set[str] = set()

    def _log_skipped(self, runner: Runner, paths: Iterable[str]) -> None:
        for path in paths:
            if path not in self.paths:
                self.paths.add(path)
                runner.logger.warning(f'skipped bad image {path}')

    def after_train_iter(self, runner: Runner, *args: object, **kwargs: object) -> None:
        self._log_skipped(runner, runner.train_loop.last_step.skipped_images)

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: dict, **_: object) -> None:
        self._log_skipped(runner, data_batch.get('skipped', ()))

    def after_test_iter(self, runner: Runner, batch_idx: int, data_batch: dict, **_: object) -> None:
        self._log_skipped(runner, data_batch.get('skipped', ()))

    def after_run(self, runner: Runner) -> None:
        own, self.paths = self.paths, {path for part in all_gather_object(sorted(self.paths)) for path in part}
        for path in sorted(self.paths - own):  # other processes' logs are not shown
            runner.logger.warning(f'skipped bad image {path}')
        if self.paths:
            runner.logger.warning(f'skipped {len(self.paths)} bad image{"s" if len(self.paths) > 1 else ""} in all')
