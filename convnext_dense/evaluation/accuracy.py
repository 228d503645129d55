"""Top-k accuracy."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.dist import all_gather_object
from mmengine.evaluator import BaseMetric

from ..registry import METRICS


@METRICS.register_module()
class Accuracy(BaseMetric):
    """Top-k accuracy: the share of images, in percent, whose true class is among the k highest scores.

    ``mean_class_top1`` is the top-1 accuracy averaged over classes, ``images`` the number of images. Each process
    counts its own images, without overlap; unreadable images don't count.

    Args:
        topk: the values of k; those above the number of classes are left out.
    """

    default_prefix = ''
    results: list[tuple[int, int, int]]

    def __init__(self, topk: Sequence[int] = (1, 5)) -> None:
        super().__init__()
        self.topk = tuple(topk)

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Count samples: ``scores`` (K,) and ``label``, an index."""
        for sample in data_samples:
            scores, label = sample['scores'], sample['label']
            # Counts the other classes that don't score strictly lower, so that ties and NaN are wrong predictions.
            rank = len(scores) - 1 - int((scores < scores[label]).sum())
            self.results.append((label, rank, len(scores)))

    def evaluate(self, size: int) -> dict[str, float]:
        """Compute the metrics of all processes' images; ``size`` is unused, since no image is read twice."""
        self.results = [result for part in all_gather_object(self.results) for result in part]
        metrics = self.compute_metrics(self.results)
        self.results.clear()
        return metrics

    def compute_metrics(self, results: list[tuple[int, int, int]]) -> dict[str, float]:
        """Compute the metrics from (label, number of classes that score as high or higher, K) of each image."""
        if not results:
            return {'images': 0}
        labels, ranks, classes = torch.tensor(results).T
        metrics: dict[str, float] = {
            f'top{k}': (ranks < k).double().mean().item() * 100 for k in self.topk if k <= classes[0]
        }
        per_class = [(ranks[labels == label] < 1).double().mean() for label in labels.unique()]
        metrics['mean_class_top1'] = torch.stack(per_class).mean().item() * 100
        metrics['images'] = len(results)
        return metrics
