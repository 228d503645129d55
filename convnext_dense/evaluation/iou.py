"""Mean intersection over union."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from mmengine.dist import all_gather_object
from mmengine.evaluator import BaseMetric
from torch import Tensor

from ..errors import UserError
from ..io.image_size import ImageSize
from ..io.images import UNLABELED
from ..registry import METRICS

NUM_LABELS = 256  # of 8 bits
PIXELS_AT_ONCE = 2**22
"""Pixels of a block that are counted at once: what that takes is 16 bytes for each."""


@METRICS.register_module()
class IoU(BaseMetric):
    """mIoU, mAcc and aAcc of label maps, in percent, over all labeled pixels (other than 255) of the data set.

    A class with T true pixels, P predicted pixels and I pixels in both has IoU = I / (T + P - I) and Acc = I / T. mIoU
    and mAcc are means over classes, except those with 0 / 0; aAcc is the share of pixels that are predicted correctly.

    After an evaluation ``per_class`` is ``{name: {'IoU': percent, 'Acc': percent}}``, NaN for 0 / 0.

    Attributes:
        takes_blocks: a large image may come in parts; see :meth:`process`.
    """

    default_prefix = ''
    takes_blocks = True
    dataset_meta: dict
    results: list[tuple[int, Tensor]]  # a single entry: number of images, pixels (K, 256) by true and predicted class

    def __init__(self) -> None:
        super().__init__()
        self.per_class: dict[str, dict[str, float]] = {}

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Count the pixels of mmseg's samples: ``pred_sem_seg`` and ``gt_sem_seg``, each with ``data`` (1, H, W).

        A sample may have ``blocks`` instead, pairs of the labels of a part of the image and its ground truth, arrays
        (h, w), which are taken one after the other. It counts as one image, and not at all if a part can't be had.

        Raises:
            UserError: for a ground truth label that is not a class, and for maps of different sizes.
        """
        for sample in data_samples:
            pixels = sum((self._count(*part, sample) for part in _parts(sample)), torch.tensor(0))
            images, earlier = self.results.pop() if self.results else (0, torch.tensor(0))
            self.results.append((images + 1, pixels + earlier))

    def _count(self, prediction: Tensor, ground_truth: Tensor, sample: dict) -> Tensor:
        prediction, ground_truth = prediction.int(), ground_truth.int()
        if prediction.shape != ground_truth.shape:
            sizes = f'prediction {_size(prediction)}, ground truth {_size(ground_truth)} (height x width)'
            raise UserError(
                f'{sample.get("img_path")}: {sizes}: in the test pipeline, load the annotations after any resizing'
            )
        classes = len(self.dataset_meta['classes'])
        lowest, highest = (int(label) for label in ground_truth.aminmax())
        if lowest >= 0 and highest <= UNLABELED:
            true_and_predicted = torch.add(prediction, ground_truth, alpha=NUM_LABELS).flatten()
            pixels = torch.bincount(true_and_predicted, minlength=NUM_LABELS * NUM_LABELS).view(NUM_LABELS, NUM_LABELS)
            if not pixels[classes:UNLABELED].any():
                return pixels[:classes]
        label = next(int(v) for v in ground_truth.unique() if not 0 <= v < classes and v != UNLABELED)
        raise UserError(
            f'{sample.get("seg_map_path")}: pixels of class {label}, but the classes are 0 to {classes - 1}: '
            'fix the mask or the class names'
        )

    def evaluate(self, size: int) -> dict[str, float]:
        """Compute the metrics of all processes' images; ``size`` is unused, since no image is read twice."""
        own = [(images, pixels.cpu()) for images, pixels in self.results]
        self.results.clear()
        return self.compute_metrics([result for part in all_gather_object(own) for result in part])

    def compute_metrics(self, results: list[tuple[int, Tensor]]) -> dict[str, float]:
        """Compute the metrics from the counts of each process."""
        self.per_class = {}
        images = sum(images for images, _ in results)
        if not images:
            return {'images': 0}
        pixels = torch.stack([pixels for _, pixels in results]).sum(0).double()
        right, true, predicted = pixels.diagonal(), pixels.sum(1), pixels.sum(0)[: len(pixels)]
        iou, acc = right / (true + predicted - right) * 100, right / true * 100
        self.per_class = {
            name: {'IoU': i, 'Acc': a}
            for name, i, a in zip(self.dataset_meta['classes'], iou.tolist(), acc.tolist(), strict=True)
        }
        return {
            'mIoU': iou.nanmean().item(),
            'mAcc': acc.nanmean().item(),
            'aAcc': (right.sum() / true.sum() * 100).item(),
            'images': images,
        }


def _parts(sample: dict) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield labels and ground truth of some rows of a sample at a time."""
    if 'blocks' not in sample:
        yield sample['pred_sem_seg']['data'], sample['gt_sem_seg']['data']
    for labels, truth in sample.get('blocks', ()):
        rows = max(PIXELS_AT_ONCE // labels.shape[1], 1) if labels.shape == truth.shape else len(labels)
        for top in range(0, len(labels), rows):
            some, true = (np.asarray(each[top : top + rows], np.int32) for each in (labels, truth))
            yield torch.from_numpy(some), torch.from_numpy(true)


def _size(labels: Tensor) -> ImageSize:
    return ImageSize(*labels.shape[-2:])
