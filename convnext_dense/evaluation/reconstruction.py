"""Loss of the reconstruction of hidden patches."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.dist import all_gather_object
from mmengine.evaluator import BaseMetric

from ..registry import METRICS


@METRICS.register_module()
class ReconstructionLoss(BaseMetric):
    """Mean over images of the loss over hidden patches, ``reconstruction_loss``; lower is better.

    ``images`` is the number of images. Each process counts its own images, without overlap; unreadable images don't
    count. For targets that are normalized a network that knows nothing but the mean of a patch has a loss of about 1.
    """

    default_prefix = ''
    results: list[tuple[str, float]]

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Collect samples: ``loss``, a number, and ``path``."""
        self.results += [(str(sample.get('path')), float(sample['loss'])) for sample in data_samples]

    def evaluate(self, size: int) -> dict[str, float]:
        """Compute the metrics of all processes' images; ``size`` is unused, since no image is read twice."""
        # in one order, so that the sum does not depend on the number of processes
        results = sorted(result for part in all_gather_object(self.results) for result in part)
        self.results.clear()
        return self.compute_metrics(results)

    def compute_metrics(self, results: list[tuple[str, float]]) -> dict[str, float]:
        """Compute the metrics from path and loss of each image."""
        if not results:
            return {'images': 0}
        return {'reconstruction_loss': sum(loss for _, loss in results) / len(results), 'images': len(results)}
