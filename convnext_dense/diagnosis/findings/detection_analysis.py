"""Matches, errors and curves of a detector, computed once for all that is found about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..detection_curves import ScoreCurve, class_curves, overall_curve
from ..detection_errors import FOREGROUND_IOU, DetectionError, ErrorCosts, error_costs, find_errors
from ..matching import Matches, match_objects
from ..overlaps import is_crowd, object_overlaps
from ..records import DetectedImage
from .base import ObjectFindings

FALLBACK_SCORE = 0.3
"""Score from which predictions count if no object is found at any."""


@dataclass(frozen=True, eq=False)
class DetectionAnalysis:
    """Matches and errors of M images, of boxes or of masks.

    A prediction is kept if its score is at least the best one of its class (the one with the highest F1); for a class
    of which no object is found, that of all classes.

    Attributes:
        records: the images.
        classes: K names.
        masks: whether masks are compared rather than boxes.
        overlaps: of each image.
        matches: of all objects.
        errors: of all predictions.
        costs: the AP that each kind of error costs.
        curves: precision, recall and F1 of each class by score.
        overall: those of one score for all classes.
        least: float64 (K,), the score from which predictions of a class are kept.
        kept_rows: numbers of the kept predictions of each image.
        kept: the images with the kept predictions alone.
        kept_errors: errors of the kept predictions, which are numbered as in ``records``.
        found: of each image, bool (objects,), those that a kept prediction found.
    """

    records: Sequence[DetectedImage]
    classes: Sequence[str]
    masks: bool
    overlaps: Sequence[np.ndarray]
    matches: Matches
    errors: Sequence[DetectionError]
    costs: ErrorCosts
    curves: Sequence[ScoreCurve]
    overall: ScoreCurve
    least: np.ndarray
    kept_rows: Sequence[np.ndarray]
    kept: Sequence[DetectedImage]
    kept_errors: Sequence[DetectionError]
    found: Sequence[np.ndarray]

    @property
    def best_scores(self) -> dict[str, float]:
        """The best score of each class of which objects are found, by class name."""
        named = zip(self.classes, self.curves, strict=True)
        return {name: curve.best.score for name, curve in named if curve.best is not None}

    @property
    def best_score(self) -> float | None:
        """The best score of all classes; None if no object is found."""
        return None if self.overall.best is None else self.overall.best.score


def analyze(
    records: Sequence[DetectedImage],
    classes: Sequence[str],
    masks: bool = False,
    overlaps: Sequence[np.ndarray] | None = None,
) -> DetectionAnalysis:
    """Match predictions with objects, and find errors and best scores.

    Args:
        records: of all images.
        classes: K names.
        masks: whether masks are compared rather than boxes.
        overlaps: of each image, if they are known.

    Raises:
        ValueError: if masks are to be compared, and there are predictions without.
    """
    overlaps = [object_overlaps(image, masks) for image in records] if overlaps is None else overlaps
    matches = match_objects(records, overlaps, len(classes), masks=masks)
    errors = find_errors(records, overlaps, matches, masks)
    curves, overall = class_curves(matches), overall_curve(matches)
    fallback = FALLBACK_SCORE if overall.best is None else overall.best.score
    least = np.array([fallback if curve.best is None else curve.best.score for curve in curves])
    rows = [np.flatnonzero(image.scores >= least[image.labels]) for image in records]
    kept = [with_predictions(image, own) for image, own in zip(records, rows, strict=True)]
    kept_overlaps = [overlap[own] for overlap, own in zip(overlaps, rows, strict=True)]
    kept_matches = match_objects(kept, kept_overlaps, len(classes), [FOREGROUND_IOU], masks)
    found = [np.zeros(len(image.truth), bool) for image in records]
    for number, partner in zip(kept_matches.images.tolist(), kept_matches.partners[0].tolist(), strict=True):
        if partner >= 0:
            found[number][partner] = True
    kept_errors = [
        error if error.prediction is None else replace(error, prediction=int(rows[error.image][error.prediction]))
        for error in find_errors(kept, kept_overlaps, kept_matches, masks)
    ]
    costs = error_costs(records, matches, errors)
    return DetectionAnalysis(
        records,
        classes,
        masks,
        overlaps,
        matches,
        errors,
        costs,
        curves,
        overall,
        least,
        rows,
        kept,
        kept_errors,
        found,
    )


def with_predictions(image: DetectedImage, rows: np.ndarray) -> DetectedImage:
    """Return the image with some of its predictions."""
    masks = None if image.masks is None else [image.masks[row] for row in rows.tolist()]
    areas = None if image.mask_areas is None else image.mask_areas[rows]
    boxes, scores, labels = image.boxes[rows], image.scores[rows], image.labels[rows]
    return replace(image, boxes=boxes, scores=scores, labels=labels, masks=masks, mask_areas=areas)


def object_findings(analysis: DetectionAnalysis) -> dict[str, ObjectFindings]:
    """Tell what became of each predicted and each annotated object, by the image's path.

    Kinds of errors are those of all predictions, with the scores that they have; annotated objects are ``'found'`` if
    a kept prediction of their class found them.
    """
    predicted = [['ignored'] * len(image) for image in analysis.records]
    at = analysis.matches.at(FOREGROUND_IOU)
    right = np.flatnonzero(at.found[0])
    for number, prediction in zip(at.images[right].tolist(), at.predictions[right].tolist(), strict=True):
        predicted[number][prediction] = 'right'
    for error in analysis.errors:
        if error.prediction is not None:
            predicted[error.image][error.prediction] = error.kind
    findings = {}
    for number, image in enumerate(analysis.records):
        crowd = is_crowd(image, analysis.masks).tolist()
        found = analysis.found[number].tolist()
        true = ['ignored' if c else 'found' if f else 'missed' for c, f in zip(crowd, found, strict=True)]
        findings[image.path] = ObjectFindings(predicted[number], true)
    return findings


def image_kinds(analysis: DetectionAnalysis) -> dict[str, list[str]]:
    """List the kinds of errors of kept predictions in each image, by path; ``'missed'`` for any object not found."""
    kinds: list[set[str]] = [set() for _ in analysis.records]
    for error in analysis.kept_errors:
        kinds[error.image].add(error.kind)
    for number, image in enumerate(analysis.records):
        if (~analysis.found[number] & ~is_crowd(image, analysis.masks)).any():
            kinds[number].add('missed')
    return {image.path: sorted(own) for image, own in zip(analysis.records, kinds, strict=True)}
