"""How far numbers of a data set would vary with its images: intervals by bootstrap, of one run and of a difference.

Images are drawn with replacement, as many as there are, again and again; the interval is between percentiles of what
the draws give (Efron and Tibshirani, An Introduction to the Bootstrap, 1993). That shows how the choice of images
matters, not how another training would. With few images (some tens), or few of a class, intervals are somewhat too
narrow. Images that belong together, such as frames of a video, are taken for independent ones, which makes intervals
too narrow as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

RESAMPLES = 1000
LEVEL = 0.95
COUNTS_AT_ONCE = 2_000_000
"""Counts of images that are drawn at once, 16 MB."""


class Quantity(NamedTuple):
    """A number's name, such as ``Quantity('IoU', 'horse')``; one of all classes has no class."""

    metric: str
    class_name: str | None = None
    lower_is_better: bool = False


@dataclass(frozen=True, eq=False)
class Measure:
    """Numbers of a data set that can be computed with each image counting any number of times.

    Attributes:
        quantities: the M numbers.
        images: the number of images, N.
        compute: takes how often each image counts, int64 (R, N), in R data sets, and returns float64 (R, M), NaN for
            what is not defined, such as the IoU of a class of which no image is left. If each image counts once, that
            is the metric of that name, in its unit.
        bounds: the lowest and the highest value that the numbers can have.
    """

    quantities: Sequence[Quantity]
    images: int
    compute: Callable[[np.ndarray], np.ndarray]
    bounds: tuple[float, float] = (0.0, 100.0)

    def values(self) -> np.ndarray:
        """Return the numbers of the data set itself, float64 (M,); NaN without images."""
        if not self.images:
            return np.full(len(self.quantities), np.nan)
        return self.compute(np.ones((1, self.images), np.int64))[0]

    def without_classes(self) -> Measure:
        """Return the numbers of all classes alone, without those of each class."""
        kept = [place for place, quantity in enumerate(self.quantities) if quantity.class_name is None]
        quantities = [self.quantities[place] for place in kept]
        return Measure(quantities, self.images, lambda counts: self.compute(counts)[:, kept], self.bounds)


@dataclass(frozen=True)
class Interval:
    """A number with its interval.

    Attributes:
        quantity: which number.
        value: that of the data set.
        low: the lower bound of the interval; NaN if no resample has the number.
        high: the upper bound.
        resamples: in how many it is defined.
    """

    quantity: Quantity
    value: float
    low: float
    high: float
    resamples: int

    @property
    def informative(self) -> bool:
        """False if resamples don't vary: of a single image, or if all images are equal, such as without any error."""
        return self.low < self.high


@dataclass(frozen=True)
class Difference:
    """The difference of a number between two runs on the same images, with its interval.

    Attributes:
        quantity: which number.
        before: that of the first run.
        after: that of the second run.
        difference: after - before.
        low: the lower bound of the difference's interval; NaN if no resample has the number in both runs.
        high: the upper bound.
        in_favor: the share of resamples in which the second run is better, in [0, 1]; equal ones count half.
        resamples: in how many both numbers are defined.
    """

    quantity: Quantity
    before: float
    after: float
    difference: float
    low: float
    high: float
    in_favor: float
    resamples: int

    @property
    def clear(self) -> bool:
        """True if the interval leaves out 0."""
        return self.low > 0 or self.high < 0


class Changed(NamedTuple):
    """An image that two runs predict differently, with a number for each."""

    path: str
    before: float
    after: float


def bootstrap(measure: Measure, resamples: int = RESAMPLES, level: float = LEVEL, seed: int = 0) -> list[Interval]:
    """Compute intervals of all numbers of a measure.

    Some numbers, such as AP or a calibration error, are higher in the mean of resamples than in the data set, which
    has each image once. The interval is shifted by that difference, within the measure's bounds.

    Args:
        measure: the numbers.
        resamples: how often images are drawn.
        level: the share of resamples in the interval, in (0, 1): the same share lies below it as above.
        seed: of the draws; the same seed draws the same images.
    """
    samples = _resampled([measure], resamples, seed)[0]
    intervals = []
    for quantity, value, column in zip(measure.quantities, measure.values(), samples.T, strict=True):
        defined = column[~np.isnan(column)]
        low, high = _percentiles(defined, level)
        if low < high:  # else images don't vary, and neither is there a bias
            bias = float(defined.mean() - value)
            low, high = (float(np.clip(bound - bias, *measure.bounds)) for bound in (low, high))
        intervals.append(Interval(quantity, float(value), low, high, len(defined)))
    return intervals


def paired_bootstrap(
    before: Measure, after: Measure, resamples: int = RESAMPLES, level: float = LEVEL, seed: int = 0
) -> list[Difference]:
    """Compute intervals of the differences between two runs, of the same images in the same order.

    Both runs are measured on the same draws, so that images which are hard for both do not blur the difference.

    Args:
        before: the numbers of the first run.
        after: those of the second run.
        resamples: how often images are drawn.
        level: the share of resamples in the interval, in (0, 1).
        seed: of the draws.

    Raises:
        ValueError: if the measures differ in their numbers or in the number of images.
    """
    if tuple(before.quantities) != tuple(after.quantities) or before.images != after.images:
        raise ValueError('the two measures are of different numbers or images')
    first, second = _resampled([before, after], resamples, seed)
    rows = zip(before.quantities, before.values(), after.values(), (second - first).T, strict=True)
    differences = []
    for quantity, old, new, column in rows:
        defined = column[~np.isnan(column)]
        better = -defined if quantity.lower_is_better else defined
        in_favor = float(((better > 0) + 0.5 * (better == 0)).mean()) if len(better) else float('nan')
        low, high = _percentiles(defined, level)
        differences.append(
            Difference(quantity, float(old), float(new), float(new - old), low, high, in_favor, len(defined))
        )
    return differences


def most_changed(paths: Sequence[str], before: np.ndarray, after: np.ndarray, number: int) -> list[Changed]:
    """List the images that changed most between two runs, those that did not and those without a number left out.

    Args:
        paths: of the N images.
        before: float (N,), a number of each image in the first run, such as its IoU.
        after: float (N,), that in the second run.
        number: how many are listed at most.
    """
    change = np.abs(np.asarray(after, np.float64) - before)
    order = [i for i in np.argsort(-change, kind='stable') if change[i] > 0]  # NaN is not
    return [Changed(paths[i], float(before[i]), float(after[i])) for i in order[:number]]


def draws(images: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Draw images with replacement: how often each counts, int64 (R, N), R at once until there are all resamples."""
    generator = np.random.default_rng(seed)
    at_once = max(1, COUNTS_AT_ONCE // images)
    for start in range(0, resamples, at_once):
        rows = min(at_once, resamples - start)
        yield np.stack([np.bincount(generator.integers(0, images, images), minlength=images) for _ in range(rows)])


def _resampled(measures: Sequence[Measure], resamples: int, seed: int) -> list[np.ndarray]:
    """Compute measures of the same images on the same draws, each float64 (resamples, M)."""
    images = measures[0].images
    if not images:
        return [np.zeros((0, len(measure.quantities))) for measure in measures]
    parts = [[measure.compute(counts) for measure in measures] for counts in draws(images, resamples, seed)]
    return [np.concatenate(of_one) for of_one in zip(*parts, strict=True)]


def _percentiles(values: np.ndarray, level: float) -> tuple[float, float]:
    if not len(values):
        return float('nan'), float('nan')
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
