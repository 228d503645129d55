"""Predictions matched with annotated objects as in COCO's evaluation, once for all numbers that follow from matches.

The rules are those of ``COCOeval.evaluateImg`` in pycocotools. They stand here since no library tells which prediction
found which object at each IoU threshold, and since AP of resampled images must not match anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..io.coco_format import COCOS_LIMIT, IGNORE_REGION
from .overlaps import aspect_ratios, is_crowd, predicted_areas
from .records import DetectedImage

COCO_THRESHOLDS = tuple(np.linspace(0.5, 0.95, 10).tolist())
"""IoU thresholds over which COCO averages AP (``Params.iouThrs`` in pycocotools)."""


@dataclass(frozen=True)
class ObjectRange:
    """Objects that count: those whose area in pixels and aspect ratio, width / height, lie within bounds, inclusively.

    Others are ignored: neither to be found, nor an error if they are; and a prediction outside of the bounds that
    finds nothing is no error.
    """

    areas: tuple[float, float] = (0, np.inf)
    aspects: tuple[float, float] = (0, np.inf)

    def outside(self, areas: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """Tell which objects don't count, bool (N,), from their areas (N,) and boxes (N, 4)."""
        aspects = aspect_ratios(boxes)
        return (
            (areas < self.areas[0])
            | (areas > self.areas[1])
            | (aspects < self.aspects[0])
            | (aspects > self.aspects[1])
        )


ALL_OBJECTS = ObjectRange()
SIZES = {
    'small': ObjectRange(areas=(0, 32**2)),
    'medium': ObjectRange(areas=(32**2, 96**2)),
    'large': ObjectRange(areas=(96**2, np.inf)),
}
"""COCO's sizes of objects (``Params.areaRng``)."""
ASPECTS = {
    'tall': ObjectRange(aspects=(0, 3 / 4)),
    'square': ObjectRange(aspects=(3 / 4, 4 / 3)),
    'wide': ObjectRange(aspects=(4 / 3, np.inf)),
}
"""Aspect ratios of objects, as in TIDE's ``ASPECT_RATIO`` (0.75 and 1.33)."""


@dataclass(frozen=True, eq=False)
class Matches:
    """N predictions in M images, matched with annotated objects of K classes at T IoU thresholds.

    Predictions are sorted by class, then by score in descending order, then by image. Those that are beyond the limit
    of :func:`match_objects` are left out.

    Attributes:
        thresholds: the T IoU thresholds.
        images: int (N,), number of the image.
        predictions: int (N,), number of the prediction in its image.
        labels: int (N,), predicted class.
        scores: float (N,).
        partners: int (T, N), number of the annotated object in the image that the prediction found, or -1.
        ignored: bool (T, N), predictions that don't count: they found a crowd or an object outside of the range.
        objects: int (M, K), annotated objects to be found.
    """

    thresholds: tuple[float, ...]
    images: np.ndarray
    predictions: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    partners: np.ndarray
    ignored: np.ndarray
    objects: np.ndarray

    def at(self, threshold: float) -> Matches:
        """Return the matches at one of the IoU thresholds.

        Raises:
            ValueError: if the matches were not made at it.
        """
        number = int(np.argmin(np.abs(np.array(self.thresholds) - threshold)))
        if not np.isclose(self.thresholds[number], threshold):
            raise ValueError(f'IoU {threshold}: the matches are at {self.thresholds}')
        one = slice(number, number + 1)
        return replace(self, thresholds=self.thresholds[one], partners=self.partners[one], ignored=self.ignored[one])

    @cached_property
    def found(self) -> np.ndarray:
        """Predictions that found an object which counts, bool (T, N)."""
        return (self.partners >= 0) & ~self.ignored

    def of_class(self, label: int) -> slice:
        """Return where the predictions of a class are."""
        start, stop = np.searchsorted(self.labels, [label, label + 1])
        return slice(int(start), int(stop))


def match_objects(
    images: Sequence[DetectedImage],
    overlaps: Sequence[np.ndarray],
    classes: int,
    thresholds: Sequence[float] = COCO_THRESHOLDS,
    masks: bool = False,
    within: ObjectRange = ALL_OBJECTS,
) -> Matches:
    """Match predictions with annotated objects of the same class, in descending order of scores.

    A prediction finds the object with the highest IoU among those that are left, if the IoU is at least the threshold.
    It finds one that doesn't count only if none is left that does. Crowds can be found many times. Of equal scores the
    first prediction in its image goes first, of equal IoUs the last object is found.

    As in :class:`~convnext_dense.evaluation.CocoAP`, the 100 predictions of an image and class with the highest scores
    count; or as many as the most objects that an image has of a class, if these are more.

    Args:
        images: M images; between images, their order decides which of equal scores goes first.
        overlaps: of each image, from :func:`~convnext_dense.diagnosis.overlaps.object_overlaps`.
        classes: the number of classes, K.
        thresholds: T IoU thresholds, in (0, 1].
        masks: whether ``overlaps`` are of masks.
        within: the objects that count.
    """
    objects = np.zeros((len(images), classes), np.int64)
    limit = max(COCOS_LIMIT, _most_objects(images, classes))
    rows, scores, partners, ignored = [], [], [], []
    for number, (image, overlap) in enumerate(zip(images, overlaps, strict=True)):
        truth = image.truth
        crowd = is_crowd(image, masks)
        ignore = crowd | within.outside(truth.areas, truth.boxes)
        outside = within.outside(predicted_areas(image, masks), image.boxes)
        objects[number] = np.bincount(truth.labels[~ignore], minlength=classes)
        for label in np.unique(image.labels):
            own = np.flatnonzero(image.labels == label)
            own = own[np.argsort(-image.scores[own], kind='stable')][:limit]
            true = np.flatnonzero((truth.labels == label) | (truth.labels == IGNORE_REGION))
            match = _match(overlap[np.ix_(own, true)], ignore[true], crowd[true], thresholds)
            found = match >= 0
            partners.append(np.where(found, np.append(true, -1)[match], -1))
            ignored.append(np.where(found, np.append(ignore[true], False)[match], outside[own]))
            rows.append(np.stack([np.full(len(own), number), own, np.full(len(own), label)]))
            scores.append(image.scores[own].astype(np.float64))
    numbers, predictions, labels = np.hstack([np.zeros((3, 0), np.int64), *rows])
    all_scores = np.concatenate([np.zeros(0), *scores])
    order = np.lexsort((-all_scores, labels))  # stable
    none = np.zeros((len(thresholds), 0))
    return Matches(
        tuple(thresholds),
        numbers[order],
        predictions[order],
        labels[order],
        all_scores[order],
        np.hstack([none.astype(np.int64), *partners])[:, order],
        np.hstack([none.astype(bool), *ignored])[:, order],
        objects,
    )


def _most_objects(images: Sequence[DetectedImage], classes: int) -> int:
    """Return the largest number of objects of a class in an image, without crowds."""
    labels = (image.truth.labels[~np.asarray(image.truth.crowd, bool)] for image in images)
    return max((int(np.bincount(own, minlength=classes).max(initial=0)) for own in labels), default=0)


def _match(overlap: np.ndarray, ignore: np.ndarray, crowd: np.ndarray, thresholds: Sequence[float]) -> np.ndarray:
    """Match the predictions of a class in an image, in descending order of scores.

    Args:
        overlap: (n, m), of predictions with objects.
        ignore: bool (m,), objects that don't count.
        crowd: bool (m,), objects that can be found many times.
        thresholds: T IoU thresholds.

    Returns:
        int (T, n), columns of the found objects, or -1.
    """
    partners = np.full((len(thresholds), len(overlap)), -1)
    taken: list[set[int]] = [set() for _ in thresholds]
    least = min(thresholds)
    for row in np.flatnonzero((overlap >= least).any(axis=1)):
        columns = np.flatnonzero(overlap[row] >= least)
        best_first = columns[np.lexsort((-columns, -overlap[row, columns], ignore[columns]))]
        candidates = [(int(column), float(overlap[row, column])) for column in best_first]
        for number, threshold in enumerate(thresholds):
            for column, iou in candidates:
                if iou >= threshold and column not in taken[number]:
                    partners[number, row] = column
                    if not crowd[column]:
                        taken[number].add(column)
                    break
    return partners
