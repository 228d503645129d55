"""Top-k accuracy."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.dist import all_gather_object
from mmengine.evaluator import BaseMetric

from ..registry import METRICS


@METRICS.register_module()
class Accuracy(BaseMetric):
    """Share of images, in percent, whose true class is among the k highest scores.

    Every process hands in its own images, each image once; unreadable ones are not counted.

    Args:
        topk: the values of k; one above the number of classes is left out.
    """

    default_prefix = ''
    results: list[tuple[int, int, int]]

    def __init__(self, topk: Sequence[int] = (1, 5)) -> None:
        super().__init__()
        self.topk = tuple(topk)

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            scores, label = sample['scores'], sample['label']
            # All other classes that don't score strictly lower: ties and NaN are no success.
            rank = len(scores) - 1 - int((scores < scores[label]).sum())
            self.results.append((label, rank, len(scores)))

    def evaluate(self, size: int) -> dict[str, float]:
        """Gather all processes' results; ``size`` is not needed, since no image is drawn twice."""
        self.results = [result for part in all_gather_object(self.results) for result in part]
        metrics = self.compute_metrics(self.results)
        self.results.clear()
        return metrics

    def compute_metrics(self, results: list[tuple[int, int, int]]) -> dict[str, float]:
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
