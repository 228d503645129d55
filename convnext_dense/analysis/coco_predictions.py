"""Hook that writes the predictions on the test set as a COCO results file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.dist import all_gather_object, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..data.foreign import innermost
from ..errors import UserError
from ..evaluation.coco import coco_results
from ..io.coco_format import CocoResult
from ..io.files import atomic_write


class WriteCocoPredictions(Hook):
    """Hook that writes all detections on the test set with the image and category ids of its COCO file.

    If both raw and averaged weights are tested, the predictions of the averaged weights are written.

    Args:
        file: the JSON file, a list as https://cocodataset.org/#format-results describes it.

    Raises:
        UserError: before the test, if the test set is not one of our COCO files, also inside wrappers.
    """

    def __init__(self, file: str | Path) -> None:
        self.file = Path(file)
        self.results: dict[int, list[CocoResult]] = {}  # of this process, by image id

    def before_test(self, runner: Runner) -> None:
        self.category_ids = find_category_ids(runner.test_dataloader.dataset)

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: object, outputs: Sequence[Any], **_: object
    ) -> None:
        if batch_idx == 0:
            self.results = {}
        for output in outputs:
            self.results[output.img_id] = coco_results([output.to_dict()], self.category_ids)

    def after_test_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        images = {image: found for part in all_gather_object(self.results) for image, found in part.items()}
        if is_main_process():
            results = [entry for found in images.values() for entry in found]
            with atomic_write(self.file) as temporary:
                temporary.write_text(json.dumps(results))
            weights = 'averaged' if runner.message_hub.get_info('weights') == 'ema' else 'raw'
            runner.logger.info(
                f'{len(results)} detections of the {weights} weights on {len(images)} images are in {self.file}'
            )


def find_category_ids(dataset: Any) -> Sequence[int]:
    """Return the category id of each label in the COCO file of a test set, also of one inside wrappers.

    Raises:
        UserError: if there are several files, whose ids differ, or the data set is another library's.
    """
    parts = list(innermost(dataset))
    if len(parts) > 1:
        raise UserError(
            f'--out-predictions writes the ids of one COCO file, and the test set has {len(parts)} data sets: '
            'test them one by one'
        )
    ids: Sequence[int] | None = (getattr(parts[0], 'metainfo', None) or {}).get('category_ids')
    if ids is None:
        kind = type(parts[0])
        raise UserError(
            '--out-predictions writes the ids of a convnext_dense.CocoDataset, and the test set is a '
            f'{kind.__name__} of {kind.__module__.split(".")[0]}: test on the same file with --data '
            "FILE.json:IMAGES, or write predictions with its own metric, such as mmdet.CocoMetric's outfile_prefix"
        )
    return ids
