"""Regions of label maps that are probably wrong: where confident predictions of a segmentor contradict them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ..io.images import UNLABELED
from .suspects import Suspect, ranked

LEAST_PIXELS = 16
"""Pixels of a region below which it is left out."""
LEAST_SHARE = 0.5
"""Share of a labeled or a predicted region that must be contradicted: along edges, it is little of both."""


@dataclass(frozen=True)
class Region:
    """Connected pixels of one label that are predicted as one other class.

    Attributes:
        label: the given class.
        predicted: the predicted class.
        box: left, top, right and bottom edge in pixels.
        pixels: their number.
        confidence: mean score of the predicted class, in [0, 1].
        share: of the connected pixels of that label, or of that prediction, to which they belong: the larger one, in
            (0, 1].
    """

    label: int
    predicted: int
    box: tuple[float, float, float, float]
    pixels: int
    confidence: float
    share: float


@dataclass(frozen=True, eq=False)
class ContradictedImage:
    """An image's regions where prediction and label differ, and how sure the model is where they agree.

    Attributes:
        path: the image's file.
        regions: of at least 16 pixels each.
        sure: float64 (K,), scores of rightly predicted pixels, added up by class.
        right: int64 (K,), their number.
    """

    path: str
    regions: Sequence[Region]
    sure: np.ndarray
    right: np.ndarray


def contradicted_regions(
    path: str, truth: np.ndarray, predicted: np.ndarray, confidence: np.ndarray, classes: int
) -> ContradictedImage:
    """Find the regions of an image where prediction and label differ.

    Args:
        path: the image's file.
        truth: int (H, W), classes from 0 to K - 1, 255 for unlabeled pixels, which are left out.
        predicted: int (H, W), classes from 0 to K - 1; any other value is none, and contradicts nothing.
        confidence: float (H, W), score of the predicted class in [0, 1].
        classes: the number of classes, K.
    """
    truth, predicted = truth.astype(np.int64), predicted.astype(np.int64)
    labeled = (truth != UNLABELED) & (predicted >= 0) & (predicted < classes)
    right = labeled & (truth == predicted)
    sure = np.bincount(truth[right], confidence[right].astype(np.float64), minlength=classes)
    sizes_true, sizes_predicted = (_region_sizes(np.where(labeled, labels, -1)) for labels in (truth, predicted))
    pairs = np.where(labeled & ~right, truth * classes + predicted, -1)
    regions = []
    for pair in np.unique(pairs[pairs >= 0]).tolist():
        count, numbers, stats, _ = cv2.connectedComponentsWithStats((pairs == pair).astype(np.uint8), connectivity=4)
        for number in range(1, count):
            x, y, width, height, pixels = stats[number].tolist()
            if pixels < LEAST_PIXELS:
                continue
            window = (slice(y, y + height), slice(x, x + width))
            inside = numbers[window] == number
            smaller = min(sizes_true[window][inside][0], sizes_predicted[window][inside][0])
            box = (float(x), float(y), float(x + width), float(y + height))
            mean = float(confidence[window][inside].mean(dtype=np.float64))
            label, other = divmod(pair, classes)
            regions.append(Region(label, other, box, pixels, mean, pixels / int(smaller)))
    return ContradictedImage(path, regions, sure, np.bincount(truth[right], minlength=classes))


def suspect_regions(images: Sequence[ContradictedImage], scored: bool = True) -> list[Suspect]:
    """List regions whose label is probably wrong, the most suspected first.

    A region is suspected if its mean score is at least the mean score of the rightly predicted pixels of the predicted
    class in all images, and if it is at least half of a labeled region or of a predicted one: an object that has the
    wrong class, one that has no label of its own, or one that is not there. The strength is confidence * share.

    Args:
        images: from :func:`contradicted_regions`, of a model that did not learn them.
        scored: whether confidences are scores of classes, rather than another measure.
    """
    if not images:
        return []
    sure, right = (np.sum(sums, axis=0) for sums in zip(*((image.sure, image.right) for image in images), strict=True))
    thresholds = np.divide(sure, right, out=np.full(len(right), np.inf), where=right > 0)
    return ranked(
        Suspect(
            image.path,
            'class',
            region.confidence * region.share,
            region.label,
            region.predicted,
            region.box,
            score=region.confidence if scored else None,
        )
        for image in images
        for region in image.regions
        if region.share >= LEAST_SHARE and region.confidence >= thresholds[region.predicted]
    )


def _region_sizes(labels: np.ndarray) -> np.ndarray:
    """Return for each pixel the number of pixels connected with it that have its label, int (H, W); 0 for label -1."""
    sizes = np.zeros(labels.shape, np.int64)
    for label in np.unique(labels[labels >= 0]).tolist():
        _, numbers, stats, _ = cv2.connectedComponentsWithStats((labels == label).astype(np.uint8), connectivity=4)
        areas = stats[:, cv2.CC_STAT_AREA].copy()
        areas[0] = 0
        sizes += areas[numbers]
    return sizes
