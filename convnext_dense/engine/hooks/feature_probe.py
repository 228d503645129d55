"""Hook that measures during pre-training how well the features tell the classes of labeled images apart."""

from __future__ import annotations

import time
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...data.classification.probed import find_probed
from ...data.foreign import innermost
from ...data.image_files_dataset import ImageFilesDataset
from ...data.text import shortened
from ...errors import UserError
from ...registry import HOOKS
from ..labeled_features import STRENGTH, LabeledFeatures, Loading


@HOOKS.register_module()
class FeatureProbe(Hook):
    """Hook that has each validation measure the features by a linear probe and by nearest neighbors.

    The metrics are those of :class:`~convnext_dense.engine.labeled_features.LabeledFeatures`, beside those of the
    validation, of raw and of averaged weights. Images are prepared as in validation. Weights, optimizer and random
    numbers of the training are the same with it and without.

    Args:
        root: the labeled folder; see :func:`~convnext_dense.data.classification.probed.find_probed`.

    Raises:
        UserError: before the training if the folder can't be used, or if the validation has images of another kind.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.features: LabeledFeatures | None = None
        self._said: set[str] = set()

    def before_train(self, runner: Runner) -> None:
        if runner.val_loop is None:
            return
        loader = runner.val_loop.dataloader
        like = next(iter(innermost(loader.dataset)))
        if not isinstance(like, ImageFilesDataset):
            raise UserError(
                f'--probe prepares images as the data set of validation does, and {type(like).__name__} can not tell '
                'how: take convnext_dense.UnlabeledImages'
            )
        files = find_probed(self.root)
        loading = Loading(loader.batch_sampler.batch_size, loader.num_workers)
        self.features = LabeledFeatures(files, like, loading)
        runner.logger.info(f'probe: {files.line}')
        for note in files.notes:
            runner.logger.info(f'probe: {note}')
        if len(self.features.strengths) == 1:
            runner.logger.info(
                f'probe: {len(files.train.paths)} images are too few to choose the L2 regularization of the linear '
                f'layer by some of them: it is {STRENGTH:g}'
            )

    def measure(self, runner: Any, request: Any = None) -> dict[str, float]:
        """Measure the present weights, on all processes.

        Args:
            runner: the runner.
            request: its request to stop, which is looked at before each batch; None for none.

        Returns:
            The metrics; empty before the training, and for weights whose features are NaN or infinite.
        """
        if self.features is None:
            return {}
        begin = time.monotonic()
        between = (lambda: None) if request is None else request.stop_if_any_process_requested
        metrics = self.features.measure(runner.bare_model, between)
        if metrics is None:
            runner.logger.warning('probe: the features are NaN or infinite, so that nothing is measured')
            return {}
        self._say_once(runner, begin, metrics)
        return metrics

    def _say_once(self, runner: Any, begin: float, metrics: dict[str, float]) -> None:
        if self._said:
            return
        assert self.features is not None
        lines = [f'probe: the first took {time.monotonic() - begin:.1f} s, in which the images were read']
        if skipped := self.features.skipped:
            lines.append(f'probe: {len(skipped)} unreadable images are left out: {shortened(skipped, 3)}')
        if not any(name.startswith('knn') for name in metrics):
            lines.append('probe: fewer than 10 images to compare with, which are too few for nearest neighbors')
        for line in lines:
            runner.logger.info(line)
        self._said.update(lines)
