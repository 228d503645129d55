"""Mean intersection over union."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.dist import all_gather_object
from mmengine.evaluator import BaseMetric
from torch import Tensor

from ..errors import UserError
from ..registry import METRICS

LABELS = 256
UNLABELED = 255


@METRICS.register_module()
class IoU(BaseMetric):
    """mIoU, mAcc and aAcc of label maps, in percent, over the pixels of the whole data set that are not 255.

    Of a class with T true pixels, P predicted ones and I that are both, IoU = I / (T + P - I) and Acc = I / T; the
    means leave out classes where that is 0 / 0. aAcc is the share of pixels that are right.

    After an evaluation ``per_class`` is ``{name: {'IoU': percent, 'Acc': percent}}``, nan for 0 / 0.
    """

    default_prefix = ''
    dataset_meta: dict
    results: list[tuple[int, Tensor]]  # images, and pixels (K, 256) by true and predicted class; one entry

    def __init__(self) -> None:
        super().__init__()
        self.per_class: dict[str, dict[str, float]] = {}

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Count the pixels of mmseg's samples: ``pred_sem_seg`` and ``gt_sem_seg``, each with ``data`` (1, H, W).

        Raises:
            UserError: for a true label that is no class, and for maps of different sizes.
        """
        images, pixels = self.results.pop() if self.results else (0, torch.tensor(0))
        for sample in data_samples:
            images, pixels = images + 1, self._count(sample) + pixels
        self.results.append((images, pixels))

    def _count(self, sample: dict) -> Tensor:
        prediction, ground_truth = sample['pred_sem_seg']['data'].int(), sample['gt_sem_seg']['data'].int()
        if prediction.shape != ground_truth.shape:
            raise UserError(
                f'{sample.get("img_path")}: prediction {_size(prediction)}, ground truth {_size(ground_truth)}: '
                'in the test pipeline, load the annotations after any resizing'
            )
        classes = len(self.dataset_meta['classes'])
        lowest, highest = (int(label) for label in ground_truth.aminmax())
        if lowest >= 0 and highest <= UNLABELED:
            both = torch.add(prediction, ground_truth, alpha=LABELS).flatten()
            pixels = torch.bincount(both, minlength=LABELS * LABELS).view(LABELS, LABELS)
            if not pixels[classes:UNLABELED].any():
                return pixels[:classes]
        label = next(int(v) for v in ground_truth.unique() if not 0 <= v < classes and v != UNLABELED)
        raise UserError(
            f'{sample.get("seg_map_path")}: pixels of class {label}, and there are classes 0 to {classes - 1}: '
            'fix the mask or the class names'
        )

    def evaluate(self, size: int) -> dict[str, float]:
        """Gather all processes' results; ``size`` is not needed, since no image is drawn twice."""
        own = [(images, pixels.cpu()) for images, pixels in self.results]
        self.results.clear()
        return self.compute_metrics([result for part in all_gather_object(own) for result in part])

    def compute_metrics(self, results: list[tuple[int, Tensor]]) -> dict[str, float]:
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


def _size(labels: Tensor) -> str:
    return f'{labels.shape[-1]} x {labels.shape[-2]}'
