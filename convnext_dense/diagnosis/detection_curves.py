"""Precision, recall and F1 of detected objects by the score from which they count, and the best such score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .matching import Matches


@dataclass(frozen=True)
class BestScore:
    """The score from which predictions of a class count for the highest F1, with what it gives, all in [0, 1]."""

    score: float
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, eq=False)
class ScoreCurve:
    """Precision, recall and F1 if the predictions with a score of at least ``scores[i]`` count.

    F1 is 2 TP / (2 TP + FP + FN), the harmonic mean of precision and recall.

    Attributes:
        scores: float64 (n,), the distinct scores of predictions, in descending order.
        precision: float64 (n,), TP / (TP + FP).
        recall: float64 (n,), TP / objects; NaN without objects.
        f1: float64 (n,); NaN without objects.
        objects: number of annotated objects.
    """

    scores: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    objects: int

    @property
    def best(self) -> BestScore | None:
        """The score with the highest F1, of several with the same F1 the highest, with which fewest are predicted.

        None if no object is found at any score: without objects, predictions or matches.
        """
        if not self.objects or not len(self.scores) or not self.f1.max() > 0:
            return None
        at = int(np.argmax(self.f1))
        return BestScore(*(float(values[at]) for values in (self.scores, self.precision, self.recall, self.f1)))


def class_curves(matches: Matches, threshold: float = 0.5) -> list[ScoreCurve]:
    """Return the curve of each of K classes, with the matches at an IoU threshold.

    Matches are made in descending order of scores, so that those at a higher score are the same ones, and none needs
    to be made anew.
    """
    at = matches.at(threshold)
    return [_curve(at, at.of_class(label), int(objects)) for label, objects in enumerate(at.objects.sum(axis=0))]


def overall_curve(matches: Matches, threshold: float = 0.5) -> ScoreCurve:
    """Return the curve of one score for all classes, in which each object and each prediction weighs the same."""
    at = matches.at(threshold)
    return _curve(at, slice(None), int(at.objects.sum()))


def image_f1(matches: Matches, scores: float | Sequence[float], threshold: float = 0.5) -> np.ndarray:
    """Return F1 of each image, by which images can be ranked, and those listed that two runs predict differently.

    Args:
        matches: of all objects, at the IoU threshold among others.
        scores: the score from which predictions count, or one for each class.
        threshold: of the IoU.

    Returns:
        float64 (M,), in [0, 1]; NaN for images without objects or predictions that count.
    """
    at = matches.at(threshold)
    images, classes = at.objects.shape
    least = np.broadcast_to(np.asarray(scores, np.float64), classes)
    counts = ~at.ignored[0] & (at.scores >= least[at.labels])
    predicted = np.bincount(at.images[counts], minlength=images)
    true = np.bincount(at.images[counts & at.found[0]], minlength=images)
    total = predicted + at.objects.sum(axis=1)
    return np.divide(2 * true, total, out=np.full(images, np.nan), where=total > 0)


def _curve(matches: Matches, place: slice, objects: int) -> ScoreCurve:
    counts = ~matches.ignored[0, place]
    scores, found = matches.scores[place][counts], matches.found[0, place][counts]
    order = np.argsort(-scores, kind='stable')
    scores, true = scores[order], np.cumsum(found[order])
    last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True)[: len(scores)])  # of each distinct score
    true, predicted = true[last], last + 1
    recall = true / objects if objects else np.full(len(last), np.nan)
    f1 = 2 * true / (predicted + objects) if objects else np.full(len(last), np.nan)
    return ScoreCurve(scores[last], true / predicted, recall, f1, objects)
