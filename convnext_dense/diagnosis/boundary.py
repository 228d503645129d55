"""How near the boundaries of predicted classes are to the true ones.

The measure is the boundary F1 of Csurka, Larlus and Perronnin, What is a good evaluation measure for semantic
segmentation?, BMVC 2013: of each class in each image, precision is the share of its predicted boundary within a
distance of its true boundary, recall the share of the true one near the predicted one.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from scipy.spatial import KDTree

from ..io.image_size import ImageSize

TOLERANCE = 0.0075
"""The distance as a share of the image's diagonal: the default of MATLAB's ``bfscore``, which has the same source
(https://www.mathworks.com/help/images/ref/bfscore.html)."""


def boundary_tolerance(size: ImageSize) -> int:
    """Return the distance up to which boundaries match, in whole pixels: 0.75% of the diagonal, rounded up."""
    return math.ceil(TOLERANCE * math.hypot(*size))


def count_boundaries(truth: np.ndarray, prediction: np.ndarray, classes: int, tolerance: int) -> np.ndarray:
    """Count the pixels on the boundaries of each class, and those that match.

    A pixel is on the boundary of its class if one of the four pixels beside it is of another one; the image's edge is
    no boundary, nor is that of unlabeled pixels. Pixels within the tolerance of unlabeled ones don't count, since
    the true boundary may be there. So where all objects are framed by unlabeled pixels, nothing is left to count.

    Args:
        truth: int (H, W), classes from 0 to K - 1; any other value is unlabeled.
        prediction: int (H, W), classes; any other value is no class.
        classes: the number of classes, K.
        tolerance: Euclidean distance in pixels up to which boundaries match.

    Returns:
        int64 (K, 4) by class: pixels on predicted boundaries, those of them near a true one of that class, pixels on
        true boundaries, and those of them near a predicted one.
    """
    labeled = (truth >= 0) & (truth < classes)
    counted = labeled if labeled.all() else _distance(labeled) > tolerance
    on_true = np.nonzero(_on_boundary(truth, labeled) & labeled)
    on_predicted = np.nonzero(_on_boundary(prediction, np.ones_like(labeled)))
    true_labels, predicted_labels = truth[on_true], prediction[on_predicted]
    counts = np.zeros((classes, 4), np.int64)
    for label in np.unique(np.concatenate([true_labels, predicted_labels])).tolist():
        if 0 <= label < classes:
            true, predicted = (
                np.stack(place)[:, labels == label]
                for place, labels in ((on_true, true_labels), (on_predicted, predicted_labels))
            )
            counts[label] = [
                *_count_near(predicted, true, counted, tolerance),
                *_count_near(true, predicted, counted, tolerance),
            ]
    return counts


def boundary_f1(counts: np.ndarray) -> np.ndarray:
    """Return the boundary F1 of each class, float64 (..., K) in [0, 1].

    It is NaN for a class that has no boundary in truth and prediction, and 0 for one that has it in one of them only.

    Args:
        counts: int (..., K, 4), of :func:`count_boundaries`.
    """
    predicted, right, true, found = np.moveaxis(np.asarray(counts, np.float64), -1, 0)
    precision, recall = right / np.maximum(predicted, 1), found / np.maximum(true, 1)
    f1 = 2 * precision * recall / np.maximum(precision + recall, np.finfo(np.float64).tiny)
    return np.where(predicted + true > 0, f1, np.nan)


def _on_boundary(labels: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Tell which pixels differ from a neighbor, of those that are known; bool (H, W)."""
    boundary = np.zeros(labels.shape, bool)
    for one, other in (np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1]):
        differ = (labels[one] != labels[other]) & known[one] & known[other]
        boundary[one] |= differ
        boundary[other] |= differ
    return boundary


def _count_near(pixels: np.ndarray, others: np.ndarray, counted: np.ndarray, tolerance: int) -> tuple[int, int]:
    """Count the pixels that count, and those of them within a distance of others; each is (2, N), rows and columns."""
    pixels = pixels[:, counted[tuple(pixels)]]
    if not pixels.size or not others.size:
        return pixels.shape[1], 0
    # The bound itself is left out: it is above the tolerance, and below the next distance between pixels.
    distances, _ = KDTree(others.T).query(pixels.T, distance_upper_bound=math.sqrt(tolerance**2 + 0.5))
    return pixels.shape[1], int(np.isfinite(distances).sum())


def _distance(mask: np.ndarray) -> np.ndarray:
    """Return the Euclidean distance of each pixel from the nearest one that is False, float32 (H, W)."""
    return cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
