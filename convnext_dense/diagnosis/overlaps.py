"""Overlaps of predicted with annotated objects, all classes with all, from which matches and errors are found."""

from __future__ import annotations

import numpy as np
from pycocotools import mask as coco_mask

from ..io.coco_format import Polygons, RunLengths
from ..io.image_size import ImageSize
from .records import DetectedImage


def object_overlaps(image: DetectedImage, masks: bool = False) -> np.ndarray:
    """Compute the intersection over union (IoU) of each prediction with each annotated object, as COCO does.

    Where the annotated object is a crowd, the intersection is divided by the area of the prediction instead, since a
    crowd covers many objects.

    Args:
        image: N predictions and M annotated objects.
        masks: whether masks are compared rather than boxes. The mask of an object without one is its box, and a crowd:
            see :func:`is_crowd`.

    Returns:
        float64 (N, M), in [0, 1].

    Raises:
        ValueError: if masks are to be compared, and the predictions have none.
    """
    if masks and image.masks is None:
        raise ValueError(f'{image.path}: predicted without masks')
    if not len(image) or not len(image.truth):
        return np.zeros((len(image), len(image.truth)))
    crowd = is_crowd(image, masks).astype(np.uint8)
    if masks:
        true_masks = image.truth.masks or [None] * len(image.truth)
        true = [_run_lengths(m, box, image.size) for m, box in zip(true_masks, image.truth.boxes, strict=True)]
        return np.asarray(coco_mask.iou(list(image.masks or []), true, crowd))
    return np.asarray(coco_mask.iou(_with_sides(image.boxes), _with_sides(image.truth.boxes), crowd))


def is_crowd(image: DetectedImage, masks: bool = False) -> np.ndarray:
    """Tell which annotated objects are crowds: neither to be found, nor an error if they are.

    Where masks are compared, an object without one is a crowd too: it was annotated, and nobody knows its shape.

    Returns:
        bool (M,).
    """
    crowd = np.asarray(image.truth.crowd, bool)
    if not masks:
        return crowd
    return crowd | np.array([mask is None for mask in image.truth.masks or [None] * len(crowd)], bool)


def predicted_areas(image: DetectedImage, masks: bool = False) -> np.ndarray:
    """Return the areas of predicted masks or boxes in pixels, float64 (N,)."""
    if masks and image.mask_areas is not None:
        return image.mask_areas
    if masks:
        # One by one: pycocotools fails if given more than 255.
        return np.array([float(coco_mask.area(mask)) for mask in image.masks or []])
    return _with_sides(image.boxes)[:, 2:].prod(axis=1)


def aspect_ratios(boxes: np.ndarray) -> np.ndarray:
    """Return width / height of boxes (N, 4), float64 (N,); infinite without height."""
    width, height = _with_sides(boxes)[:, 2:].T
    return np.divide(width, height, out=np.full(len(width), np.inf), where=height > 0)


def _with_sides(boxes: np.ndarray) -> np.ndarray:
    """Convert corners (N, 4) to left, top, width and height."""
    corners = np.asarray(boxes, np.float64).reshape(-1, 4)
    return np.hstack([corners[:, :2], corners[:, 2:] - corners[:, :2]])


def _run_lengths(mask: RunLengths | Polygons | None, box: np.ndarray, size: ImageSize) -> RunLengths:
    """Compress a mask as in COCO's files; that of an object without one is its box."""
    if mask is None:
        x1, y1, x2, y2 = np.asarray(box, np.float64).tolist()
        mask = [[x1, y1, x2, y1, x2, y2, x1, y2]]
    if isinstance(mask, list):
        return coco_mask.merge(coco_mask.frPyObjects(mask, *size))
    return coco_mask.frPyObjects(mask, *size) if isinstance(mask['counts'], list) else mask
