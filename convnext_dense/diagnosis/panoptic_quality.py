"""Panoptic quality (PQ) that can be computed again for resampled images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .confusion import mean_of_defined
from .intervals import Measure, Quantity


def image_quality(tallies: Mapping[int, tuple[float, int, int, int]]) -> float:
    """Return the PQ of an image in percent, the mean over the classes with segments; NaN without any.

    Args:
        tallies: of the image, see :func:`panoptic_measure`.
    """
    table = np.array(list(tallies.values()), np.float64).reshape(-1, 4)
    segments = table[:, 1] + (table[:, 2] + table[:, 3]) / 2
    quality = np.divide(table[:, 0], segments, out=np.full(len(segments), np.nan), where=segments > 0)
    return 100 * float(mean_of_defined(quality[None])[0])


def panoptic_measure(
    tallies: Sequence[Mapping[int, tuple[float, int, int, int]]], class_names: Sequence[str], things: int
) -> Measure:
    """Return the numbers of :class:`~convnext_dense.evaluation.PanopticQuality` for intervals, in percent.

    These are ``PQ``, ``SQ`` and ``RQ`` (https://arxiv.org/abs/1801.00868), of all classes with a segment that counts,
    of the things and of the stuff among them (``PQ_things`` and so on), and of each class. What has no such class is
    NaN.

    Args:
        tallies: of N images, from :func:`~convnext_dense.evaluation.panoptic.match_segments`: the sum of IoUs, TP, FP
            and FN of each class with segments.
        class_names: K names, of which the first ones are things.
        things: the number of things.
    """
    table = np.zeros((len(tallies), len(class_names), 4))
    for number, image in enumerate(tallies):
        for label, tally in image.items():
            table[number, label] = tally
    groups = {'': slice(None), '_things': slice(things), '_stuff': slice(things, None)}
    metrics = ('PQ', 'SQ', 'RQ')
    quantities = [Quantity(f'{metric}{group}') for group in groups for metric in metrics]
    quantities += [Quantity(metric, name) for metric in metrics for name in class_names]

    def compute(counts: np.ndarray) -> np.ndarray:
        iou, found, false, missed = np.moveaxis(np.tensordot(counts.astype(np.float64), table, axes=1), -1, 0)
        segments = found + false / 2 + missed / 2
        with np.errstate(invalid='ignore'):
            recognition = found / segments
            # 0 for a class that is never found, whose PQ is 0 as well.
            quality = np.where(segments > 0, iou / np.maximum(found, 1), np.nan)
            values = [100 * iou / segments, 100 * quality, 100 * recognition]
        means = [mean_of_defined(value[:, group]) for group in groups.values() for value in values]
        return np.hstack([np.stack(means, axis=1), *values])

    return Measure(quantities, len(tallies), compute)
