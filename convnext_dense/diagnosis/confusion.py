"""Counts of true and predicted classes, and what follows from them for each class."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np


class Confused(NamedTuple):
    """Things of one class that were taken for another."""

    true: int
    predicted: int
    times: int
    share: float
    """Of all things of the true class, in [0, 1]."""


@dataclass(frozen=True, eq=False)
class Confusion:
    """Counts of things (images, pixels, objects) by their true and their predicted class, without the zeros.

    A class with T true things, P predicted ones and I that are both has recall I / T (of pixels, its accuracy),
    precision I / P, F1 2 I / (T + P) (of pixels, its Dice coefficient) and IoU I / (T + P - I). Each is a float64 (K,)
    in [0, 1], NaN for 0 / 0. Memory grows with the pairs of classes that occur, not with the square of K.

    Attributes:
        classes: the number of classes, K. The label K stands for none of them, such as the background.
        true: int64 (M,), the true class of each pair that occurs; pairs are in ascending order.
        predicted: int64 (M,), the predicted class of each pair.
        counts: int64 (M,), how often it occurs.
    """

    classes: int
    true: np.ndarray
    predicted: np.ndarray
    counts: np.ndarray

    @classmethod
    def count(
        cls, classes: int, true: np.ndarray, predicted: np.ndarray, counts: np.ndarray | None = None
    ) -> Confusion:
        """Count pairs of labels.

        Args:
            classes: the number of classes, K.
            true: int (N,), from 0 to K.
            predicted: int (N,), from 0 to K.
            counts: int (N,), how often each pair counts; None for once.

        Raises:
            ValueError: if a label is not in that range.
        """
        true, predicted = (np.asarray(labels, np.int64).ravel() for labels in (true, predicted))
        for labels in (true, predicted):
            if len(labels) and not 0 <= labels.min() <= labels.max() <= classes:
                raise ValueError(f'labels from {labels.min()} to {labels.max()}, but they go from 0 to {classes}')
        pairs = true * (classes + 1) + predicted
        if counts is None and (classes + 1) ** 2 <= len(pairs):  # many more pixels than classes: no sorting
            dense = np.bincount(pairs)
            found = np.flatnonzero(dense)
            return cls(classes, found // (classes + 1), found % (classes + 1), dense[found])
        found, places = np.unique(pairs, return_inverse=True)
        # bincount adds in float64, which is exact up to 2^53
        sums = np.bincount(places.ravel(), weights=counts, minlength=len(found)).astype(np.int64)
        found, sums = found[sums > 0], sums[sums > 0]
        return cls(classes, found // (classes + 1), found % (classes + 1), sums)

    @classmethod
    def sum(cls, classes: int, parts: Iterable[Confusion]) -> Confusion:
        """Add the counts of several, such as those of all images."""
        columns = [np.zeros((3, 0), np.int64), *(np.stack([p.true, p.predicted, p.counts]) for p in parts)]
        return cls.count(classes, *np.hstack(columns))

    def matrix(self) -> np.ndarray:
        """Return all counts, int64 (K + 1, K + 1): rows are true classes, columns predicted ones."""
        matrix = np.zeros((self.classes + 1, self.classes + 1), np.int64)
        matrix[self.true, self.predicted] = self.counts
        return matrix

    def shares(self) -> np.ndarray:
        """Return the counts as shares of their true class, float64 (K + 1, K + 1), NaN for a class without things."""
        matrix = self.matrix()
        return _divide(matrix, matrix.sum(axis=1, keepdims=True))

    def largest(self, number: int) -> list[Confused]:
        """List the confusions that occur most, among equal ones those with the larger share first."""
        wrong = self.true != self.predicted
        true, predicted, counts = self.true[wrong], self.predicted[wrong], self.counts[wrong]
        shares = counts / np.bincount(self.true, self.counts, self.classes + 1)[true]
        order = np.lexsort((-shares, -counts))[:number]
        return [Confused(int(true[i]), int(predicted[i]), int(counts[i]), float(shares[i])) for i in order]

    @cached_property
    def true_counts(self) -> np.ndarray:
        """Things of each class, int64 (K,)."""
        return np.bincount(self.true, self.counts, self.classes + 1)[: self.classes].astype(np.int64)

    @cached_property
    def predicted_counts(self) -> np.ndarray:
        """Things that were taken for each class, int64 (K,)."""
        return np.bincount(self.predicted, self.counts, self.classes + 1)[: self.classes].astype(np.int64)

    @cached_property
    def right(self) -> np.ndarray:
        """Things of each class that were taken for it, int64 (K,)."""
        same = self.true == self.predicted
        return np.bincount(self.true[same], self.counts[same], self.classes + 1)[: self.classes].astype(np.int64)

    @property
    def recall(self) -> np.ndarray:
        return _divide(self.right, self.true_counts)

    @property
    def precision(self) -> np.ndarray:
        return _divide(self.right, self.predicted_counts)

    @property
    def f1(self) -> np.ndarray:
        return _divide(2 * self.right, self.true_counts + self.predicted_counts)

    @property
    def iou(self) -> np.ndarray:
        return _divide(self.right, self.true_counts + self.predicted_counts - self.right)


def mean_of_defined(values: np.ndarray) -> np.ndarray:
    """Average each row of (R, K), without its NaNs, float64 (R,); NaN for a row of NaNs."""
    defined = ~np.isnan(values)
    with np.errstate(invalid='ignore'):
        return np.where(defined, values, 0).sum(axis=1) / defined.sum(axis=1)


def _divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Divide, with NaN for 0 / 0."""
    with np.errstate(invalid='ignore'):
        return numerator / denominator
