"""The six kinds of errors of detectors, and the AP that each kind costs (TIDE: Bolya et al. 2020, arXiv:2008.08115).

The definitions are from sections 2.2 and 2.3 of the paper; where they leave two kinds open for a prediction, the order
is that of the authors' code (``TIDERun._eval_image`` in tidecv).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from .average_precision import interpolated
from .matching import Matches
from .overlaps import is_crowd
from .records import DetectedImage

Kind = Literal['class', 'location', 'both', 'duplicate', 'background', 'missed']
KINDS: tuple[Kind, ...] = get_args(Kind)
FIXED_BY_MOVING = ('class', 'location')
"""Kinds whose predictions are fixed by giving them the class and the location of their object."""
FOREGROUND_IOU = 0.5
"""IoU from which a prediction lies on an object, t_f of the paper."""
BACKGROUND_IOU = 0.1
"""IoU below which a prediction lies on the background, t_b of the paper."""


@dataclass(frozen=True)
class DetectionError:
    """A prediction that is wrong, or an object that was missed.

    Attributes:
        kind: one of :data:`KINDS`.
        image: number of the image.
        prediction: number of the prediction in the image; None for a missed object.
        truth: number of the annotated object that decides the kind; None for ``'background'``.
        score: of the prediction; of a missed object 0.
        iou: of the prediction with the object; of a missed object the highest with a prediction of its class.
        truth_found: whether another prediction found that object.
    """

    kind: Kind
    image: int
    prediction: int | None
    truth: int | None
    score: float
    iou: float
    truth_found: bool = False


@dataclass(frozen=True, eq=False)
class ErrorCosts:
    """AP in [0, 1] at the IoU of the foreground, and how much higher it would be without errors of a kind.

    Attributes:
        by_class: AP of each class, float64 (K,); NaN without objects.
        by_kind: for each kind the increase of each class, float64 (K,).
        false_positives: increase without wrong predictions of any kind, float64 (K,).
        false_negatives: increase if nothing were missed, for any reason, float64 (K,).
    """

    by_class: np.ndarray
    by_kind: dict[Kind, np.ndarray]
    false_positives: np.ndarray
    false_negatives: np.ndarray

    def mean(self, values: np.ndarray) -> float:
        """Return the mean over classes with objects, NaN without any."""
        counts = ~np.isnan(self.by_class)
        return float(values[counts].mean()) if counts.any() else float('nan')


def find_errors(
    images: Sequence[DetectedImage], overlaps: Sequence[np.ndarray], matches: Matches, masks: bool = False
) -> list[DetectionError]:
    """Find the errors of each kind, in descending order of scores; missed objects last, the largest first.

    A prediction that found no object has the first kind that fits:

    1. ``'location'``: its IoU with an object of its class is at least 0.1, and less than 0.5 with all of them.
    2. ``'class'``: the IoU with an object of another class is at least 0.5.
    3. ``'duplicate'``: the IoU with an object of its class, which another prediction found, is at least 0.5.
    4. ``'background'``: the IoU with all objects is less than 0.1.
    5. ``'both'``: the IoU with an object of another class is at least 0.1.

    An object that no prediction found is ``'missed'`` if it is not the one of an error of location or class.

    Args:
        images: the images.
        overlaps: of each image, from :func:`~convnext_dense.diagnosis.overlaps.object_overlaps`.
        matches: of all objects, at 0.5 among other IoU thresholds.
        masks: whether ``overlaps`` are of masks.
    """
    at = matches.at(FOREGROUND_IOU)
    errors: list[DetectionError] = []
    found: list[set[int]] = [set() for _ in images]
    for number, partner in zip(at.images.tolist(), at.partners[0].tolist(), strict=True):
        found[number].add(partner)
    explained: list[set[int]] = [set() for _ in images]
    crowd = [is_crowd(image, masks) for image in images]
    for row in np.argsort(-at.scores, kind='stable').tolist():
        if at.partners[0, row] >= 0 or at.ignored[0, row]:
            continue
        number, prediction, score = int(at.images[row]), int(at.predictions[row]), float(at.scores[row])
        iou = np.where(crowd[number], -1, overlaps[number][prediction])
        kind, truth = _kind(iou, images[number].truth.labels == at.labels[row])
        if truth is None:
            errors.append(DetectionError(kind, number, prediction, None, score, 0.0))
            continue
        errors.append(
            DetectionError(kind, number, prediction, truth, score, float(iou[truth]), truth in found[number])
        )
        if kind in FIXED_BY_MOVING:
            explained[number].add(truth)
    return errors + _missed(
        images, overlaps, crowd, [one | other for one, other in zip(found, explained, strict=True)]
    )


def error_costs(images: Sequence[DetectedImage], matches: Matches, errors: Sequence[DetectionError]) -> ErrorCosts:
    """Compute the AP that would be gained if all errors of a kind were fixed, the others left as they are.

    Fixing takes wrong predictions away, and missed objects from those to be found. A prediction with an error of
    class or location gets the class and the location of its object, and counts as found, if nothing found the object
    yet; of several of one kind with the same object, the one with the highest score. Costs are not additive, and none
    is below 0: fixing raises precision or recall, and lowers neither.

    A class of which fixing leaves neither objects nor predictions has an AP of 1, and one of which it leaves only
    predictions an AP of 0; classes without objects count in neither AP, as in COCO's.

    Args:
        images: the images.
        matches: of all objects, at 0.5 among other IoU thresholds.
        errors: from :func:`find_errors`.
    """
    table = _Table(matches.at(FOREGROUND_IOU))
    base = table.average_precision()

    def gain(fixed: _Table) -> np.ndarray:
        return fixed.average_precision() - base

    by_kind = {kind: gain(table.fixed(images, [error for error in errors if error.kind == kind])) for kind in KINDS}
    without_false = table.copy()
    without_false.counts &= without_false.found
    all_found = table.copy()
    all_found.objects = np.bincount(table.labels[table.found], minlength=len(base))
    return ErrorCosts(base, by_kind, gain(without_false), gain(all_found))


def _kind(iou: np.ndarray, same: np.ndarray) -> tuple[Kind, int | None]:
    """Return the kind of a wrong prediction and its object, from its IoU with the objects and which have its class."""
    if not len(iou):
        return 'background', None
    own, other = np.where(same, iou, -1), np.where(same, -1, iou)
    best_own, best_other = int(own.argmax()), int(other.argmax())
    if BACKGROUND_IOU <= own[best_own] < FOREGROUND_IOU:
        return 'location', best_own
    if other[best_other] >= FOREGROUND_IOU:
        return 'class', best_other
    if own[best_own] >= FOREGROUND_IOU:
        return 'duplicate', best_own
    if iou.max() < BACKGROUND_IOU:
        return 'background', None
    return 'both', best_other


def _missed(
    images: Sequence[DetectedImage],
    overlaps: Sequence[np.ndarray],
    crowd: Sequence[np.ndarray],
    explained: Sequence[set[int]],
) -> list[DetectionError]:
    """List objects that were not found, and that no error of class or location explains, the largest first."""
    missed = []
    for number, image in enumerate(images):
        same = image.labels[:, None] == image.truth.labels[None]
        best = np.where(same, overlaps[number], 0).max(axis=0, initial=0)
        for truth in np.flatnonzero(~crowd[number]).tolist():
            if truth not in explained[number]:
                missed.append((image.truth.areas[truth], number, truth, float(best[truth])))
    missed.sort(key=lambda one: -one[0])
    return [DetectionError('missed', number, None, truth, 0.0, iou) for _, number, truth, iou in missed]


class _Table:
    """Predictions at one IoU threshold, which can be fixed: their class, whether they count and found an object."""

    def __init__(self, matches: Matches) -> None:
        self.matches = matches
        self.labels = matches.labels
        self.counts = ~matches.ignored[0]
        self.found = matches.found[0]
        self.objects = matches.objects.sum(axis=0)
        pairs = zip(matches.images.tolist(), matches.predictions.tolist(), strict=True)
        self._rows = {pair: row for row, pair in enumerate(pairs)}
        self._order = np.lexsort((matches.predictions, matches.images, -matches.scores))  # COCO's, of each class

    def copy(self) -> _Table:
        table = copy.copy(self)
        table.labels, table.counts, table.found = self.labels.copy(), self.counts.copy(), self.found.copy()
        table.objects = self.objects.copy()
        return table

    def fixed(self, images: Sequence[DetectedImage], errors: Sequence[DetectionError]) -> _Table:
        """Return the table without errors of a kind, which are in descending order of scores."""
        table, taken = self.copy(), set()
        for error in errors:
            label = -1 if error.truth is None else images[error.image].truth.labels[error.truth]
            if error.prediction is None:
                table.objects[label] -= 1
                continue
            row = self._rows[error.image, error.prediction]
            if error.kind in FIXED_BY_MOVING and not error.truth_found and (error.image, error.truth) not in taken:
                taken.add((error.image, error.truth))
                table.labels[row], table.found[row] = label, True
            else:
                table.counts[row] = False
        return table

    def average_precision(self) -> np.ndarray:
        """Return the AP of each class, NaN for those without objects before fixing."""
        values = np.full(len(self.objects), np.nan)
        labels, found = self.labels[self._order], self.found[self._order]
        counts = self.counts[self._order]
        for label in np.flatnonzero(self.matches.objects.sum(axis=0)).tolist():
            own = found[(labels == label) & counts]
            if self.objects[label]:
                at = np.flatnonzero(own)
                values[label] = interpolated(np.arange(1, len(at) + 1), at + 1, int(self.objects[label]))
            else:
                values[label] = 0.0 if len(own) else 1.0
        return values
