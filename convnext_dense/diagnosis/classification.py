"""Which classes a classifier confuses, how sure it is of its errors, and numbers of it that can be resampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ..errors import UserError
from .calibration import BINS, Reliability, bin_of, reliability
from .confusion import Confusion, mean_of_defined
from .intervals import Measure, Quantity
from .records import ClassifiedImage

CLASS_METRICS = ('recall', 'precision', 'F1')
ROUNDING = 1e-5
"""How far scores may be above 1."""


class ConfidentError(NamedTuple):
    """An image that is taken for another class.

    ``confidence`` is the score of the predicted class, ``true_score`` that of the true one, in [0, 1].
    """

    path: str
    label: int
    predicted: int
    confidence: float
    true_score: float


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions for N images. A class is predicted if all others score lower, so that a tie is an error.

    Attributes:
        classes: the number of classes, K.
        paths: of the images.
        labels: int64 (N,), the true classes.
        predicted: int64 (N,), the predicted ones: of classes with equal scores another one than the true one.
        confidence: float64 (N,), the score of the predicted class.
        true_scores: float64 (N,), the score of the true class.
        ranks: int64 (N,), how many other classes do not score lower than the true one: 0 is a right prediction.
    """

    classes: int
    paths: Sequence[str]
    labels: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray
    true_scores: np.ndarray
    ranks: np.ndarray

    @classmethod
    def of(cls, images: Sequence[ClassifiedImage], classes: int) -> Predictions:
        """Collect what images' scores predict.

        Raises:
            UserError: if an image has a score that is no probability.
            ValueError: if it has other than ``classes`` scores, or a label that is none of the classes.
        """
        rows = [_predict(image, classes) for image in images]
        labels = np.array([image.label for image in images], np.int64)
        predicted, ranks = (np.array([row[i] for row in rows], np.int64) for i in (0, 1))
        confidence, true_scores = (np.array([row[i] for row in rows], np.float64) for i in (2, 3))
        return cls(classes, [image.path for image in images], labels, predicted, confidence, true_scores, ranks)

    @cached_property
    def confusion(self) -> Confusion:
        """Counts of images by true and predicted class."""
        return Confusion.count(self.classes, self.labels, self.predicted)

    def reliability(self, bins: int = BINS) -> Reliability:
        """Compute the reliability diagram of the predicted classes."""
        return reliability(self.confidence, self.ranks < 1, bins)

    def confident_errors(self, number: int) -> list[ConfidentError]:
        """List the errors with the highest confidence, among equal ones those whose true class scores lowest."""
        order = np.lexsort((self.true_scores, -self.confidence))
        chosen = order[self.ranks[order] > 0][:number]
        return [
            ConfidentError(
                self.paths[i],
                int(self.labels[i]),
                int(self.predicted[i]),
                float(self.confidence[i]),
                float(self.true_scores[i]),
            )
            for i in chosen
        ]

    def measure(
        self, class_names: Sequence[str], topk: Sequence[int] = (1, 5), bins: int = BINS, by_class: bool = True
    ) -> Measure:
        """Return numbers for intervals, in percent.

        These are ``top1`` and so on; ``mean_class_top1``, the mean recall of the classes with images;
        ``calibration_error``, of which lower is better; ``macro_F1``, the mean F1 of the classes with images or
        predictions; and of each class ``recall``, ``precision`` and ``F1``.

        Args:
            class_names: K names.
            topk: the values of k; those above the number of classes are left out.
            bins: of the calibration error.
            by_class: False leaves out those of each class, of which there may be thousands.
        """
        topk = [k for k in topk if k <= self.classes]
        quantities = [
            *(Quantity(f'top{k}') for k in topk),
            Quantity('mean_class_top1'),
            Quantity('calibration_error', lower_is_better=True),
            Quantity('macro_F1'),
        ]
        if by_class:
            quantities += [Quantity(metric, name) for metric in CLASS_METRICS for name in class_names]
        right, places = self.ranks < 1, bin_of(self.confidence, bins)

        def compute(counts: np.ndarray) -> np.ndarray:
            images = counts.sum(axis=1, keepdims=True)
            true, predicted = (_sums(counts, labels, self.classes) for labels in (self.labels, self.predicted))
            found = _sums(counts * right, self.labels, self.classes)
            with np.errstate(invalid='ignore'):
                recall, precision, f1 = found / true, found / predicted, 2 * found / (true + predicted)
                shares = np.stack([counts @ (self.ranks < k) for k in topk], axis=1) / images
            gaps = _sums(counts * (self.confidence - right), places, bins)
            error = np.abs(gaps).sum(axis=1, keepdims=True) / images
            means = [mean_of_defined(values)[:, None] for values in (recall, f1)]
            of_class = [recall, precision, f1] if by_class else []
            return 100 * np.hstack([shares, means[0], error, means[1], *of_class])

        return Measure(quantities, len(self.labels), compute)


def flips(before: Predictions, after: Predictions) -> tuple[list[str], list[str]]:
    """List the images that only the second run gets right, and those that only the first one does.

    Args:
        before: those of the first run.
        after: those of the second run, of the same images in the same order.
    """
    was, now = before.ranks < 1, after.ranks < 1
    gained, lost = (np.flatnonzero(flipped).tolist() for flipped in (~was & now, was & ~now))
    return [after.paths[i] for i in gained], [after.paths[i] for i in lost]


def _predict(image: ClassifiedImage, classes: int) -> tuple[int, int, float, float]:
    """Return the predicted class, the rank of the true one, and the scores of both."""
    scores, label = image.scores, image.label
    if len(scores) != classes or not 0 <= label < classes:
        raise ValueError(f'{image.path}: {len(scores)} scores and label {label}, but there are {classes} classes')
    if not (scores.min() >= 0 and scores.max() <= 1 + ROUNDING):
        raise UserError(
            f'{image.path}: scores from {scores.min():g} to {scores.max():g} are no probabilities: check the weights, '
            'and that the model ends with a softmax'
        )
    rank = int((scores >= scores[label]).sum()) - 1
    if rank:
        others = scores.copy()
        others[label] = -1
    predicted = int(others.argmax()) if rank else label
    return predicted, rank, min(float(scores[predicted]), 1.0), min(float(scores[label]), 1.0)


def _sums(counts: np.ndarray, groups: np.ndarray, number: int) -> np.ndarray:
    """Sum the columns of (R, N) by the group of each, (R, number)."""
    order = np.argsort(groups, kind='stable')
    found, starts = np.unique(groups[order], return_index=True)
    sums = np.zeros((len(counts), number), np.float64)
    if len(found):
        sums[:, found] = np.add.reduceat(counts[:, order], starts, axis=1)
    return sums
