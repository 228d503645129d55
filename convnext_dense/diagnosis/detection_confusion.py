"""Which classes a detector takes for which, with the background as a class of its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..io.coco_format import IGNORE_REGION
from .confusion import Confusion
from .overlaps import is_crowd
from .records import DetectedImage


def detection_confusion(
    images: Sequence[DetectedImage],
    overlaps: Sequence[np.ndarray],
    classes: int,
    scores: float | Sequence[float],
    iou: float = 0.5,
    masks: bool = False,
) -> Confusion:
    """Count the annotated objects by their class and that of the prediction which lies on them.

    Each object has at most one prediction, and each prediction one object. First pairs of the same class are made,
    then pairs of different classes of what is left, both in descending order of IoU; of equal ones the prediction with
    the higher score goes first. So an object that was found counts as found, though a prediction of another class lies
    on it more exactly. Objects without a prediction were taken for background; predictions without an object are
    background taken for one. What lies on a crowd of its class or on an ignore region counts as neither.

    Args:
        images: the images.
        overlaps: of each image, from :func:`~convnext_dense.diagnosis.overlaps.object_overlaps`.
        classes: the number of classes, K.
        scores: the score from which predictions count, or one for each class.
        iou: the IoU from which a prediction and an object are a pair, in (0, 1].
        masks: whether ``overlaps`` are of masks.

    Returns:
        Counts by true and predicted class, of which K is the background.
    """
    least = np.broadcast_to(np.asarray(scores, np.float64), classes)
    pairs = [np.zeros((2, 0), np.int64)]
    for image, overlap in zip(images, overlaps, strict=True):
        truth, crowd = image.truth, is_crowd(image, masks)
        kept = image.scores >= least[image.labels]
        close = (overlap >= iou) & kept[:, None]
        same = image.labels[:, None] == truth.labels[None]
        predicted, true = np.nonzero(close & ~crowd)
        order = np.lexsort((-image.scores[predicted], -overlap[predicted, true], ~same[predicted, true]))
        free_predictions, free_objects = kept.copy(), ~crowd
        for p, t in zip(predicted[order].tolist(), true[order].tolist(), strict=True):
            if free_predictions[p] and free_objects[t]:
                free_predictions[p] = free_objects[t] = False
                pairs.append(np.array([[truth.labels[t]], [image.labels[p]]]))
        on_crowd = (close & crowd & (same | (truth.labels == IGNORE_REGION))).any(axis=1)
        missed, false = truth.labels[free_objects], image.labels[free_predictions & ~on_crowd]
        pairs.append(np.stack([missed, np.full_like(missed, classes)]))
        pairs.append(np.stack([np.full_like(false, classes), false]))
    return Confusion.count(classes, *np.hstack(pairs))
