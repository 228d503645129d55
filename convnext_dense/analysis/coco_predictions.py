"""Hook that writes the predictions on the test set as a COCO results file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..evaluation.coco import coco_results
from ..io.coco_format import CocoResult
from ..io.files import atomic_write


class WriteCocoPredictions(Hook):
    """Hook that writes all detections on the test set with the image and category ids of its COCO file.

    If both raw and averaged weights are tested, the predictions of the averaged weights are written.

    Args:
        file: the JSON file, a list as https://cocodataset.org/#format-results describes it.
    """

    def __init__(self, file: str | Path) -> None:
        self.file = Path(file)
        self.results: list[CocoResult] = []
        self.images = 0

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: object, outputs: Sequence[Any], **_: object
    ) -> None:
        if batch_idx == 0:
            self.results, self.images = [], 0
        ids = runner.test_dataloader.dataset.metainfo['category_ids']
        self.results += coco_results([output.to_dict() for output in outputs], ids)
        self.images += len(outputs)

    def after_test_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        if is_main_process():
            with atomic_write(self.file) as temporary:
                temporary.write_text(json.dumps(self.results))
            weights = 'averaged' if runner.message_hub.get_info('weights') == 'ema' else 'raw'
            runner.logger.info(
                f'{len(self.results)} detections of the {weights} weights on {self.images} images are in {self.file}'
            )
