"""Mean intersection over union."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.dist import all_gather_object
from mmengine.evaluator import BaseMetric
from torch import Tensor

from ..errors import UserError
from ..io.image_size import ImageSize
from ..io.images import UNLABELED
from ..registry import METRICS

NUM_LABELS = 256  # of 8 bits


@METRICS.register_module()
class IoU(BaseMetric):
    """mIoU, mAcc and aAcc of label maps, in percent, over all labeled pixels (other than 255) of the data set.

    A class with T true pixels, P predicted pixels and I pixels in both has IoU = I / (T + P - I) and Acc = I / T. mIoU
    and mAcc are means over classes, except those with 0 / 0; aAcc is the share of pixels that are predicted correctly.

    After an evaluation ``per_class`` is ``{name: {'IoU': percent, 'Acc': percent}}``, NaN for 0 / 0.
    """

    default_prefix = ''
    dataset_meta: dict
    results: list[tuple[int, Tensor]]  # a single entry: number of images, pixels (K, 256) by true and predicted class

    def __init__(self) -> None:
        super().__init__()
        self.per_class: dict[str, dict[str, float]] = {}

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Count the pixels of mmseg's samples: ``pred_sem_seg`` and ``gt_sem_seg``, each with ``data`` (1, H, W).

        Raises:
            UserError: for a ground truth label that is not a class, and for maps of different sizes.
        """
        images, pixels = self.results.pop() if self.results else (0, torch.tensor(0))
        for sample in data_samples:
            images, pixels = images + 1, self._count(sample) + pixels
        self.results.append((images, pixels))

    def _count(self, sample: dict) -> Tensor:
        prediction, ground_truth = sample['pred_sem_seg']['data'].int(), sample['gt_sem_seg']['data'].int()
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


def _size(labels: Tensor) -> ImageSize:
    return ImageSize(*labels.shape[-2:])
