"""Precision, recall and F1 of detected objects by the score from which they count, and the best such score."""

from __future__ import annotations

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
