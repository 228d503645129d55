"""Hook that writes the predictions on the test set as a COCO results file, with PNG files in panoptic segmentation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.dist import all_gather_object, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..counting import counted
from ..data.foreign import innermost
from ..errors import UserError
from ..io.files import atomic_write
from ..tasks import Task


class WriteCocoPredictions(Hook):
    """Hook that writes all predictions on the test set with the image and category ids of its COCO file.

    If both raw and averaged weights are tested, the predictions of the averaged weights are written.

    Args:
        task: the task of the model.
        file: the JSON file, as https://cocodataset.org/#format-results describes it. The PNG files of panoptic
            segmentations are written to the folder of the same name without suffix.

    Raises:
        UserError: before the test, if the test set is not one of our COCO files, also inside wrappers.
    """

    def __init__(self, task: Task, file: str | Path) -> None:
        self.task, self.file = task, Path(file)
        self.results: dict[int | str, list] = {}  # of this process, by image id

    def before_test(self, runner: Runner) -> None:
        find_category_ids(runner.test_dataloader.dataset)
        self.metainfo = next(iter(innermost(runner.test_dataloader.dataset))).metainfo

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: object, outputs: Sequence[Any], **_: object
    ) -> None:
        if batch_idx == 0:
            self.results = {}
        for output in outputs:
            self.results[output.img_id] = self.task.coco_entries(output, self.metainfo, self.file.with_suffix(''))

    def after_test_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        images = {image: found for part in all_gather_object(self.results) for image, found in part.items()}
        if is_main_process():
            results = [entry for found in images.values() for entry in found]
            with atomic_write(self.file) as temporary:
                key = self.task.results_key
                temporary.write_text(json.dumps(results if key is None else {key: results}))
            weights = 'averaged' if runner.message_hub.get_info('weights') == 'ema' else 'raw'
            found = counted(len(results), self.task.predictions_noun)
            runner.logger.info(f'{found} of the {weights} weights on {len(images)} images are in {self.file}')


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
            '--out-predictions writes the ids of a COCO file that this package reads, and the test set is a '
            f'{kind.__name__} of {kind.__module__.split(".")[0]}: test on the same file with --data '
            "FILE.json:IMAGES, or write predictions with its own metric, such as mmdet.CocoMetric's outfile_prefix"
        )
    return ids
