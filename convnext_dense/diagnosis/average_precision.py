"""COCO's average precision (AP), which can be computed again for resampled images without matching them anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .confusion import mean_of_defined
from .intervals import Measure, Quantity
from .matching import Matches

RECALLS = np.linspace(0, 1, 101)
"""Recalls at which precision is averaged (``Params.recThrs`` in pycocotools)."""
SINGLE_THRESHOLDS = {'AP50': 0.5, 'AP75': 0.75}
"""IoU thresholds whose AP COCO states beside that of all."""


class AveragePrecision:
    """AP of matched predictions, of the images as they are or each counted several times, as a bootstrap draws them.

    With every image once it is COCO's, for predictions sorted by score, and among equal scores by image. An image that
    counts n times weighs as n copies of it that follow each other. The time for a resample grows with the number of
    predictions, but of what is done at each threshold only with the number of those that found an object.

    Args:
        matches: of M images at T IoU thresholds, over which AP is averaged.
    """

    def __init__(self, matches: Matches) -> None:
        self.matches = matches
        self._places = [matches.of_class(label) for label in range(matches.objects.shape[1])]
        self._found = [[np.flatnonzero(found[place]) for found in matches.found] for place in self._places]
        self._ignored = [
            [ignored[place] if ignored[place].any() else None for ignored in matches.ignored] for place in self._places
        ]

    def by_class(self, times: np.ndarray | None = None) -> np.ndarray:
        """Return the AP of each class, the mean over thresholds, float64 (K,) in [0, 1]; NaN without objects."""
        return self.by_threshold(times).mean(axis=0)

    def by_threshold(self, times: np.ndarray | None = None) -> np.ndarray:
        """Return the AP of each class at each threshold, float64 (T, K) in [0, 1]; NaN without objects.

        Args:
            times: int (M,), how often each image counts; by default once.
        """
        matches = self.matches
        times = np.ones(len(matches.objects), np.int64) if times is None else times
        values = np.full((len(matches.thresholds), len(self._places)), np.nan)
        for label, objects in enumerate((times @ matches.objects).tolist()):
            if not objects:
                continue
            weights = times[matches.images[self._places[label]]]
            all_so_far = np.cumsum(weights)
            for number, (found, ignored) in enumerate(zip(self._found[label], self._ignored[label], strict=True)):
                so_far = all_so_far if ignored is None else np.cumsum(weights * ~ignored)
                drawn = found[weights[found] > 0]
                values[number, label] = interpolated(np.cumsum(weights[drawn]), so_far[drawn], objects)
        return values


def average_precision_measure(
    matches: Matches, class_names: Sequence[str], prefix: str, sizes: Mapping[str, Matches] | None = None
) -> Measure:
    """Return the APs of :class:`~convnext_dense.evaluation.CocoAP` for intervals, in percent.

    These are ``box_AP`` and, if the thresholds are among those of the matches, ``box_AP50`` and ``box_AP75``; what
    ``sizes`` has, such as ``box_APs``; and ``box_AP`` of each class.

    AP of few images is higher in the mean than that of many, and that of resamples once more, so that intervals lie
    somewhat too high: of 200 drawn data sets with 50 images each, 95% intervals held the AP of 40,000 images in 83%,
    with 200 images each in 84%. Both runs share that in a difference, whose intervals held it in 91%.

    Args:
        matches: of all objects.
        class_names: K names.
        prefix: ``'box'`` or ``'mask'``.
        sizes: matches of a part of the objects by the ending of the number's name, such as ``'s'``.
    """
    parts = {name: AveragePrecision(part) for name, part in (sizes or {}).items()}
    single = [name for name, iou in SINGLE_THRESHOLDS.items() if np.isclose(matches.thresholds, iou).any()]
    rows = [int(np.argmin(np.abs(np.array(matches.thresholds) - SINGLE_THRESHOLDS[name]))) for name in single]
    whole = AveragePrecision(matches)
    names = ['AP', *single, *(f'AP{name}' for name in parts)]
    quantities = [Quantity(f'{prefix}_{name}') for name in names]
    quantities += [Quantity(f'{prefix}_AP', name) for name in class_names]

    def compute_one(times: np.ndarray) -> np.ndarray:
        values = whole.by_threshold(times)
        of_class = values.mean(axis=0)
        rest = [part.by_class(times) for part in parts.values()]
        means = mean_of_defined(np.stack([of_class, *values[rows], *rest]))
        return 100 * np.concatenate([means, of_class])

    return Measure(quantities, len(matches.objects), lambda counts: np.stack([compute_one(row) for row in counts]))


def interpolated(found: np.ndarray, predicted: np.ndarray, objects: int) -> float:
    """Return AP in [0, 1] as the mean of precision at 101 recalls.

    The precision at a recall is the highest one at this recall or above. Therefore only predictions that found an
    object are asked for: others raise neither precision nor recall.

    Args:
        found: (n,), objects that were found up to and with each of those n predictions, in descending order of scores.
        predicted: (n,), predictions that count up to and with each of them.
        objects: objects to be found, at least 1.
    """
    precision = np.maximum.accumulate((found / predicted)[::-1])[::-1]
    at = np.searchsorted(found / objects, RECALLS, side='left')
    return float(precision[at[at < len(precision)]].sum() / len(RECALLS))
