"""How far confidences are from the shares of predictions that are right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BINS = 15


@dataclass(frozen=True, eq=False)
class Reliability:
    """A reliability diagram: predictions in B bins of equal width by their confidence.

    Attributes:
        edges: float64 (B + 1,), from 0 to 1; a bin includes its upper edge, the first one 0 as well.
        counts: int64 (B,), predictions in each bin.
        confidence: float64 (B,), mean confidence in each bin, NaN for an empty one.
        accuracy: float64 (B,), share of predictions that are right in each bin, NaN for an empty one.
    """

    edges: np.ndarray
    counts: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def error(self) -> float:
        """Expected calibration error in [0, 1]: the mean gap of a prediction's bin; NaN without predictions.

        The definition is that of Guo et al., On Calibration of Modern Neural Networks, 2017
        (https://arxiv.org/abs/1706.04599). Of few predictions it is too high, as each bin's share varies by chance.
        """
        return float(self._gaps @ self.counts[self.counts > 0] / self.counts.sum()) if self.counts.any() else np.nan

    @property
    def maximum_error(self) -> float:
        """The largest gap of a bin, in [0, 1]; NaN without predictions."""
        return float(self._gaps.max()) if self.counts.any() else np.nan

    @property
    def overconfidence(self) -> float:
        """Mean confidence minus the share that is right, in [-1, 1]: above 0 the model is too sure of itself."""
        filled = self.counts > 0
        gaps = (self.confidence - self.accuracy)[filled]
        return float(gaps @ self.counts[filled] / self.counts.sum()) if filled.any() else np.nan

    @property
    def _gaps(self) -> np.ndarray:
        return np.abs(self.confidence - self.accuracy)[self.counts > 0]


def bin_of(confidence: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Return the bin of each confidence, int64 (N,) from 0 to ``bins - 1``.

    Raises:
        ValueError: if a confidence is not in [0, 1].
    """
    confidence = np.asarray(confidence, np.float64)
    if outside := confidence[~((confidence >= 0) & (confidence <= 1))].tolist():
        raise ValueError(f'confidence {outside[0]:g} is no probability, which is in [0, 1]')
    return np.digitize(confidence, np.linspace(0, 1, bins + 1)[1:-1], right=True)


def reliability(confidence: np.ndarray, right: np.ndarray, bins: int = BINS) -> Reliability:
    """Compute a reliability diagram.

    Args:
        confidence: float (N,), probability of each predicted class, in [0, 1].
        right: bool (N,), whether it is the true class.
        bins: the number of bins, B.

    Raises:
        ValueError: if a confidence is not in [0, 1].
    """
    places = bin_of(confidence, bins)
    counts = np.bincount(places, minlength=bins)
    with np.errstate(invalid='ignore'):
        means = [np.bincount(places, np.asarray(each, np.float64), bins) / counts for each in (confidence, right)]
    return Reliability(np.linspace(0, 1, bins + 1), counts, *means)
