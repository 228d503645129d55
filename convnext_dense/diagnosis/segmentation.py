"""Which classes a segmentor confuses, in which images, and numbers of it that can be resampled."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..errors import UserError
from ..io.image_size import ImageSize
from ..io.images import UNLABELED
from .boundary import boundary_f1, boundary_tolerance, count_boundaries
from .confusion import Confusion, mean_of_defined
from .intervals import Measure, Quantity
from .records import SegmentedImage

MOST_MEASURED = 1 << 23
"""Pixels of the largest label map whose boundaries and regions are measured as they are: larger ones are thinned."""


def count_image(
    path: str, truth: np.ndarray, prediction: np.ndarray, classes: int, boundaries: bool = True
) -> SegmentedImage:
    """Count the pixels of an image by true and predicted class, and those on boundaries.

    Args:
        path: the image's file.
        truth: int (H, W), classes from 0 to K - 1, 255 for unlabeled pixels.
        prediction: int (H, W), classes; any other value is no class.
        classes: the number of classes, K.
        boundaries: False leaves out boundaries, which take the longest.

    Raises:
        UserError: if the maps have different sizes, or the truth has a label that is no class.
    """
    if truth.shape != prediction.shape:
        sizes = f'prediction {ImageSize.of(prediction)}, ground truth {ImageSize.of(truth)} (height x width)'
        raise UserError(f'{path}: {sizes}: in the test pipeline, load the annotations after any resizing')
    labeled = truth != UNLABELED
    true, predicted = truth[labeled].astype(np.int64), prediction[labeled].astype(np.int64)
    if foreign := true[(true < 0) | (true >= classes)][:1].tolist():
        raise UserError(
            f'{path}: pixels of class {foreign[0]}, but the classes are 0 to {classes - 1}: fix the mask or the class '
            'names'
        )
    predicted[(predicted < 0) | (predicted >= classes)] = classes
    tolerance = boundary_tolerance(ImageSize.of(truth))
    counts = count_boundaries(truth, prediction, classes, tolerance) if boundaries else None
    return SegmentedImage(path, Confusion.count(classes, true, predicted), counts)


def thinning(size: ImageSize) -> int:
    """Return the whole factor by which label maps are thinned before they are measured, 1 for most images."""
    return max(math.ceil(math.sqrt(size.height * size.width / MOST_MEASURED)), 1)


def image_iou(image: SegmentedImage) -> float:
    """Return the mean IoU over the classes in an image's truth or prediction, in [0, 1]; NaN without such a class."""
    return float(mean_of_defined(image.pixels.iou[None])[0])


def class_boundary_f1(images: Sequence[SegmentedImage]) -> np.ndarray:
    """Return the boundary F1 of each class, float64 (K,) in [0, 1]: the mean over the images that have its boundary.

    Raises:
        ValueError: if boundaries were not measured.
    """
    return mean_of_defined(boundary_f1(_boundaries(images)).T)


def measure(images: Sequence[SegmentedImage], class_names: Sequence[str], by_class: bool = True) -> Measure:
    """Return numbers for intervals, in percent.

    These are ``mIoU``, ``mAcc``, ``aAcc``, ``mDice`` and ``boundary_F1``, and of each class ``IoU``, ``accuracy``,
    ``precision``, ``Dice`` and ``boundary_F1``. Means are over classes, without those with 0 / 0. ``boundary_F1`` is
    left out if boundaries were not measured.

    Args:
        images: the images.
        class_names: K names.
        by_class: False leaves out those of each class but ``IoU``, of which there may be thousands.
    """
    has_boundaries = has_boundary_counts(images)
    names = ['mIoU', 'mAcc', 'aAcc', 'mDice', *(['boundary_F1'] if has_boundaries else [])]
    class_metrics = ['IoU']
    if by_class:
        class_metrics += ['accuracy', 'precision', 'Dice', *(['boundary_F1'] if has_boundaries else [])]
    right, true, predicted = (
        np.array([getattr(image.pixels, kind) for image in images], np.float64)
        for kind in ('right', 'true_counts', 'predicted_counts')
    )
    f1 = boundary_f1(_boundaries(images)) if has_boundaries else None

    def compute(counts: np.ndarray) -> np.ndarray:
        counts = counts.astype(np.float64)  # which BLAS multiplies
        i, t, p = counts @ right, counts @ true, counts @ predicted
        with np.errstate(invalid='ignore'):
            iou, accuracy, precision, dice = i / (t + p - i), i / t, i / p, 2 * i / (t + p)
            overall = i.sum(axis=1) / t.sum(axis=1)
            boundary = None if f1 is None else counts @ np.nan_to_num(f1) / (counts @ ~np.isnan(f1))
        means = [mean_of_defined(iou), mean_of_defined(accuracy), overall, mean_of_defined(dice)]
        of_class = [iou, accuracy, precision, dice] if by_class else [iou]
        if boundary is not None:
            means.append(mean_of_defined(boundary))
            of_class += [boundary] if by_class else []
        return 100 * np.hstack([np.stack(means, axis=1), *of_class])

    quantities = [
        *(Quantity(name) for name in names),
        *(Quantity(m, name) for m in class_metrics for name in class_names),
    ]
    return Measure(quantities, len(images), compute)


def has_boundary_counts(images: Sequence[SegmentedImage]) -> bool:
    """Tell whether boundaries were measured, in all images."""
    return bool(images) and all(image.boundaries is not None for image in images)


def _boundaries(images: Sequence[SegmentedImage]) -> np.ndarray:
    counts = [image.boundaries for image in images if image.boundaries is not None]
    if len(counts) < len(images):
        raise ValueError('boundaries were not measured')
    return np.stack(counts)
