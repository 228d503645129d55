"""Hook that draws predictions on the test set with their ground truth."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from PIL import Image

from ..counting import counted
from ..engine.kept_maps import MOST_DRAWN
from ..io.image_size import ImageSize
from ..tasks import Task

INDEX = 'predictions.json'


class ShowPredictions(Hook):
    """Hook that draws images, spread evenly over the test set, with prediction and ground truth.

    Classification: a thumbnail above both classes. Detection: predicted objects with a score of 0.3 or more, beside
    the ground truth. Segmentation: the predicted label map beside the ground truth.

    It also writes ``predictions.json`` to the folder: a list of ``{"file", "path", "caption"}``, in classification
    with ``"ground_truth"``, ``"prediction"`` and ``"score"`` in [0, 1]. If both raw and averaged weights are tested,
    the predictions of the averaged weights are drawn.

    Images of more than :data:`MOST_DRAWN` are left out, which the log says.

    Args:
        task: the task of the model.
        folder: the folder for the drawings.
        count: number of images to draw.
    """

    def __init__(self, task: Task, folder: str | Path, count: int) -> None:
        self.task = task
        self.folder = Path(folder)
        self.count = count
        self.entries: dict[int, dict] = {}  # of the index, by position in the test set
        self.too_large: dict[str, ImageSize] = {}
        self._position = 0

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: object, outputs: Sequence, **_: object
    ) -> None:
        if not is_main_process():
            return
        if batch_idx == 0:
            self._position = 0
        size = len(runner.test_dataloader.sampler)
        chosen = np.linspace(0, size - 1, min(self.count, size)).round().astype(int).tolist()
        dataset = runner.test_dataloader.dataset
        read_as = {key: getattr(dataset, key, None) for key in ('value_range', 'opening')}
        metainfo = {**dataset.metainfo, **read_as}
        for output in outputs:
            height, width = output.get('ori_shape', (0, 0))[:2]
            if self._position in chosen and height * width > MOST_DRAWN:
                self.too_large[output.img_path] = ImageSize(height, width)
            elif self._position in chosen:
                number = chosen.index(self._position)
                self.entries[self._position] = self._draw(number, output, metainfo)
            self._position += 1

    def before_test(self, runner: Runner) -> None:
        """Remove the drawings of an earlier test that the index in the folder names."""
        index = self.folder / INDEX
        if is_main_process():
            self.folder.mkdir(parents=True, exist_ok=True)
        if is_main_process() and index.is_file():
            for entry in json.loads(index.read_text()):
                (self.folder / Path(entry['file']).name).unlink(missing_ok=True)
            index.unlink()

    def after_test_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        if is_main_process():
            (self.folder / INDEX).write_text(json.dumps(list(self.entries.values()), indent=1) + '\n')
            if self.too_large:
                path, pixels = next(iter(self.too_large.items()))
                images = counted(len(self.too_large), 'image')
                runner.logger.info(
                    f'{images} not drawn, with more than {MOST_DRAWN:,} pixels: {path} has {pixels}; convnext-dense '
                    'demo draws large images shrunk'
                )
            images = counted(len(self.entries), 'image')
            what = 'with prediction and ground truth' if self.task.has_classes else 'drawn'
            runner.logger.info(f'{images} {what}: {self.folder}')

    def _draw(self, number: int, output: object, metainfo: dict) -> dict:
        """Write the drawing of one image and return its entry in the index."""
        comparison = self.task.draw_comparison(output, metainfo)
        file = f'{number:03d}_{comparison.file_name}'
        Image.fromarray(comparison.drawing).save(self.folder / file, quality=90)
        return {'file': file, **comparison.entry}
