"""Predictions and ground truth of one image each, as plain values: all that a diagnosis is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from ..errors import UserError
from ..io.coco_format import Polygons, RunLengths
from ..io.image_size import ImageSize
from .confusion import Confusion

NO_LABEL = -1
"""Label of a classified image whose true class is unknown."""


@dataclass(frozen=True, eq=False)
class ClassifiedImage:
    """A classified image.

    Attributes:
        path: the image's file; runs are compared by it.
        scores: float32 (K,), probabilities in [0, 1].
        label: the true class, from 0 to K - 1; :data:`NO_LABEL` if it is unknown.
    """

    path: str
    scores: np.ndarray
    label: int

    def same_truth(self, other: ClassifiedImage) -> bool:
        """Tell whether two records have the same ground truth."""
        return self.label == other.label and len(self.scores) == len(other.scores)


class ClassifiedAmongMany(ClassifiedImage):
    """A classified image that keeps its highest scores and that of the true class; the others are read as 0.

    So an image of 20,000 classes takes less than a kilobyte rather than 80.

    Args:
        path, scores, label: see :class:`ClassifiedImage`.
        kept: number of the highest scores.
    """

    def __init__(self, path: str, scores: np.ndarray, label: int, kept: int = 100) -> None:
        highest = np.argpartition(-scores, min(kept, len(scores) - 1))[:kept]
        places = np.union1d(highest, [label] if label != NO_LABEL else []).astype(np.int32)
        found = {'path': path, 'label': label, '_classes': len(scores), '_places': places, '_kept': scores[places]}
        for name, value in found.items():
            object.__setattr__(self, name, value)

    @property
    def scores(self) -> np.ndarray:  # type: ignore[override]
        """Scores of all classes, float32 (K,)."""
        scores = np.zeros(self._classes, self._kept.dtype)  # type: ignore[attr-defined]
        scores[self._places] = self._kept  # type: ignore[attr-defined]
        return scores


@dataclass(frozen=True, eq=False)
class TrueObjects:
    """The annotated objects of an image.

    Attributes:
        boxes: float64 (M, 4), left, top, right and bottom edge in pixels.
        labels: int64 (M,), classes from 0; :data:`~convnext_dense.io.coco_format.IGNORE_REGION` for an ignore region
            of all classes.
        crowd: bool (M,), crowds and ignore regions, which are neither to be found nor an error if they are.
        areas: float64 (M,), pixels, by which objects are small or large.
        masks: M masks as in COCO's files, None for an object without one; None for a data set without masks.
    """

    boxes: np.ndarray
    labels: np.ndarray
    crowd: np.ndarray
    areas: np.ndarray
    masks: Sequence[RunLengths | Polygons | None] | None = None

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class DetectedImage:
    """An image with N detected objects, or instances if they have masks, in any order.

    Attributes:
        path: the image's file; runs are compared by it.
        size: height and width in pixels.
        boxes: float32 (N, 4), left, top, right and bottom edge in pixels.
        scores: float32 (N,), in [0, 1].
        labels: int64 (N,), classes from 0.
        truth: the annotated objects.
        masks: N compressed RLEs; None if boxes were predicted alone, or masks were not kept.
        mask_areas: float64 (N,), pixels of the masks, where these were not kept.
    """

    path: str
    size: ImageSize
    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    truth: TrueObjects
    masks: Sequence[RunLengths] | None = None
    mask_areas: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def same_truth(self, other: DetectedImage) -> bool:
        """Tell whether two records have the same ground truth, in the same order."""
        ours, theirs = self.truth, other.truth
        return (
            self.size == other.size
            and np.array_equal(ours.boxes, theirs.boxes)
            and np.array_equal(ours.labels, theirs.labels)
            and np.array_equal(ours.crowd, theirs.crowd)
            and np.array_equal(ours.areas, theirs.areas)
            and (ours.masks is None) == (theirs.masks is None)
            and list(ours.masks or []) == list(theirs.masks or [])
        )


@dataclass(frozen=True, eq=False)
class SegmentedImage:
    """Counts of a segmented image, which its label maps are reduced to.

    Attributes:
        path: the image's file; runs are compared by it.
        pixels: the labeled pixels by true and predicted class; the predicted label K is none of the classes.
        boundaries: int64 (K, 4) by class: pixels on predicted boundaries, those of them near a true one, pixels on
            true boundaries, and those of them near a predicted one. None if they were not measured.
    """

    path: str
    pixels: Confusion
    boundaries: np.ndarray | None = None

    def same_truth(self, other: SegmentedImage) -> bool:
        """Tell whether two records have as many true pixels of each class."""
        return np.array_equal(self.pixels.true_counts, other.pixels.true_counts)


@dataclass(frozen=True, eq=False)
class PanopticImage(SegmentedImage):
    """Counts of an image with panoptic segments, and of its pixels by their class.

    Attributes:
        tallies: by class with segments, the sum of IoUs of matches, and the numbers of matches, of predicted segments
            without one and of true ones without one: those of
            :func:`~convnext_dense.evaluation.panoptic.match_segments`.
    """

    tallies: Mapping[int, tuple[float, int, int, int]] = field(default_factory=dict)

    def same_truth(self, other: SegmentedImage) -> bool:
        """Tell whether two records have as many true pixels and segments of each class."""
        return (
            isinstance(other, PanopticImage)
            and super().same_truth(other)
            and _true_segments(self) == _true_segments(other)
        )


def _true_segments(image: PanopticImage) -> dict[int, int]:
    """Count the true segments of each class: those that were found, and those that were missed."""
    return {label: found + missed for label, (_, found, _, missed) in image.tallies.items() if found + missed}


Record = TypeVar('Record', ClassifiedImage, DetectedImage, SegmentedImage, PanopticImage)


def same_images(before: Sequence[Record], after: Sequence[Record]) -> list[tuple[Record, Record]]:
    """Pair the records of two runs on the same images, in the order of the first run.

    Raises:
        UserError: if a run has an image that the other one lacks, or has one twice, or if ground truth differs.
    """
    first, second = _by_path(before), _by_path(after)
    for one, other, run in ((first, second, 'second'), (second, first, 'first')):
        if absent := [path for path in one if path not in other]:
            raise UserError(
                f'{absent[0]}: not in the {run} run, as {len(absent)} of {len(one)} images of the other one: '
                'test both on the same data'
            )
    pairs = [(record, second[path]) for path, record in first.items()]
    if changed := [one.path for one, other in pairs if not one.same_truth(other)]:
        raise UserError(
            f'{changed[0]}: the ground truth of the two runs differs, as that of {len(changed)} of {len(pairs)} '
            'images: test both on the same data'
        )
    return pairs


def _by_path(records: Sequence[Record]) -> dict[str, Record]:
    path, times = max(Counter(record.path for record in records).items(), key=lambda item: item[1], default=('', 1))
    if times > 1:
        raise UserError(f'{path}: {times} times in a run, in which each image counts once: test again')
    return {record.path: record for record in records}
