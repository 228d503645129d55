"""Images with prediction and ground truth."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from PIL import Image
from pycocotools import mask as rle

from ..io.coco_format import Instance, Polygons, RunLengths
from ..io.image_size import ImageSize
from ..io.images import read_rgb
from ..results.drawing import draw_caption, draw_instances, palette, side_by_side
from ..results.results import UNLABELED, Detection, Segmentation
from ..results.text import legible

INDEX = 'predictions.json'
SURE = 0.3  # detections with a lower score are not drawn
WIDEST = 640  # pixels of a side of an image that is drawn beside another
RIGHT, WRONG, INK = (26, 127, 55), (207, 34, 46), (31, 35, 40)


class ShowPredictions(Hook):
    """Draws images, spread evenly over the test set, with prediction and ground truth.

    Classification: a thumbnail over both. Detection: what was found with a score of 0.3 or more, beside the ground
    truth. Segmentation: the predicted label map beside the true one.

    With them lies ``predictions.json``: a list of ``{"file", "path", "caption"}``, for classification with
    ``"ground_truth"``, ``"prediction"`` and ``"score"`` in [0, 1]. Where raw and averaged weights are tested, the
    predictions of the average are drawn.

    Args:
        folder: where they go; it must exist.
        count: how many to draw.
    """

    def __init__(self, folder: str | Path, count: int) -> None:
        self.folder = Path(folder)
        self.count = count
        self.entries: dict[int, dict] = {}  # of the index, by position in the test set
        self._position = 0

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: object, outputs: Sequence, **_: object
    ) -> None:
        if not is_main_process():
            return
        if batch_idx == 0:
            self._position = 0
        size = len(runner.test_dataloader.sampler)
        wanted = np.linspace(0, size - 1, min(self.count, size)).round().astype(int).tolist()
        for output in outputs:
            if self._position in wanted:
                number = wanted.index(self._position)
                self.entries[self._position] = self._draw(number, output, runner.test_dataloader.dataset.metainfo)
            self._position += 1

    def after_test_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        if is_main_process():
            (self.folder / INDEX).write_text(json.dumps(list(self.entries.values()), indent=1) + '\n')
            runner.logger.info(f'{len(self.entries)} images with prediction and ground truth are in {self.folder}')

    def _draw(self, number: int, output: Any, metainfo: dict) -> dict:
        """Write one image, and return its entry of the index."""
        if isinstance(output, dict):
            drawn, entry = _classified(output, metainfo['classes'])
            file = f'{number:03d}_{entry["ground_truth"]}.png'
        else:
            image = as_the_data_set_reads_it(output.img_path, ImageSize(*output.ori_shape[:2]))
            if 'pred_instances' in output:
                prediction, ground_truth, caption = _detected(output, image, metainfo['classes'])
            else:
                prediction, ground_truth, caption = _segmented(output, image, metainfo)
            drawn = side_by_side([('prediction', _small(prediction)), ('ground truth', _small(ground_truth))])
            entry = {'path': output.img_path, 'caption': caption}
            file = f'{number:03d}_{Path(output.img_path).stem}.jpg'
        Image.fromarray(drawn).save(self.folder / file, quality=90)
        return {'file': file, **entry}


def _classified(output: dict, classes: Sequence[str]) -> tuple[np.ndarray, dict]:
    """The thumbnail, and its entry of the index."""
    label, ground_truth = int(output['scores'].argmax()), output['label']
    score = float(output['scores'][label])
    entry = {
        'path': output['path'],
        'caption': f'predicted {classes[label]}, is {classes[ground_truth]}',
        'ground_truth': classes[ground_truth],
        'prediction': classes[label],
        'score': round(score, 4),
    }
    words = legible(classes)
    lines = [
        (f'{words[label]}  {score:.0%}', RIGHT if label == ground_truth else WRONG),
        (f'ground truth: {words[ground_truth]}', INK),
    ]
    return draw_caption(read_rgb(output['path'], retry_missing=True), lines), entry


def _detected(output: Any, image: np.ndarray, classes: Sequence[str]) -> tuple[np.ndarray, np.ndarray, str]:
    """Prediction, ground truth, and a caption."""
    prediction = Detection.from_sample(output, classes).above(SURE)
    ground_truth = output.instances
    drawn = draw_annotations(image, ground_truth, classes)
    caption = f'{len(prediction.boxes)} predicted with a score of {SURE:.0%} or more, {len(ground_truth)} annotated'
    return prediction.draw(image=image), drawn, caption


def draw_annotations(image: np.ndarray, instances: Sequence[Instance], classes: Sequence[str]) -> np.ndarray:
    """Annotations as :class:`~convnext_dense.data.detection.dataset.CocoDataset` gives them, drawn on their image.

    Args:
        image: uint8 (H, W, 3), RGB.
        instances: with ``bbox_label``, ``ignore_flag``, ``bbox`` and, in all or none, ``mask``.
        classes: their names.
    """
    size = ImageSize.of(image)
    labels = np.array([instance['bbox_label'] for instance in instances], int)
    words = legible(classes)
    tags = [words[i['bbox_label']] + (' (crowd)' if i['ignore_flag'] else '') for i in instances]
    boxes = np.array([instance['bbox'] for instance in instances], float).reshape(-1, 4)
    masks = None
    if all('mask' in instance for instance in instances):
        masks = np.array([_decoded(i['mask'], size) for i in instances], bool).reshape(-1, *size)
    return draw_instances(image, boxes, tags, palette(len(classes))[labels], masks)


def _segmented(output: Any, image: np.ndarray, metainfo: dict) -> tuple[np.ndarray, np.ndarray, str]:
    """Prediction, ground truth, and a caption."""
    prediction, ground_truth = (
        Segmentation.from_sample(output, metainfo['classes'], metainfo['palette'], kind) for kind in ('pred', 'gt')
    )
    labeled = ground_truth.labels != UNLABELED
    right = (prediction.labels == ground_truth.labels)[labeled]
    caption = f'{right.mean():.1%} of the labeled pixels are right' if right.size else 'nothing is labeled'
    return prediction.draw(image=image), ground_truth.draw(image=image), caption


def as_the_data_set_reads_it(path: str, size: ImageSize) -> np.ndarray:
    """Read an image, turned to fit annotations for an image of this size; uint8 (H, W, 3), RGB."""
    from ..data.dense import LoadImage  # here, because it imports mmcv, which classification does without

    return LoadImage().transform({'img_path': path, **size._asdict()})['img'][..., ::-1]


def _decoded(mask: Polygons | RunLengths, size: ImageSize) -> np.ndarray:
    """A COCO mask, polygons or an RLE of either kind, as bool (H, W)."""
    if isinstance(mask, list) or isinstance(mask['counts'], list):
        mask = rle.frPyObjects(mask, *size)
    return rle.decode(rle.merge(mask) if isinstance(mask, list) else mask).astype(bool)


def _small(pixels: np.ndarray) -> np.ndarray:
    """The image, made smaller where a side has more than 640 pixels."""
    image = Image.fromarray(pixels)
    image.thumbnail((WIDEST, WIDEST), Image.Resampling.LANCZOS)
    return np.asarray(image)
