"""Turn annotations of an image as it is stored to the upright image, which EXIF orientation describes."""

from __future__ import annotations

import numpy as np

from ....io.image_size import ImageSize
from ....results.rle import decode_mask, encode_masks
from .base import LabeledImage, LabeledObject

ON_SIDE = (5, 6, 7, 8)
"""EXIF orientations that swap height and width: of 5, rows become columns; 6 and 8 are turned right and left; 7 is 5
turned upside down."""


def turn_upright(image: LabeledImage, orientation: int) -> LabeledImage:
    """Turn annotations of an image that lies on its side.

    Args:
        image: an image whose annotations are those of the image as stored.
        orientation: its EXIF orientation, one of :data:`ON_SIDE`.
    """
    objects = [_turned(one, image.size, orientation) for one in image.objects]
    labels = None if image.labels is None else _turn_pixels(image.labels, orientation)
    return LabeledImage(image.file, image.name, image.size.transposed, objects, labels)


def _turned(one: LabeledObject, size: ImageSize, orientation: int) -> LabeledObject:
    corners = _turn_points(np.reshape(one.corners, (2, 2)), size, orientation)
    (left, top), (right, bottom) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    segmentation = one.segmentation
    if isinstance(segmentation, list):
        points = [np.reshape(polygon, (-1, 2)) for polygon in segmentation]
        segmentation = [_turn_points(polygon, size, orientation).ravel().tolist() for polygon in points]
    elif segmentation is not None:
        (segmentation,) = encode_masks(_turn_pixels(decode_mask(segmentation, size), orientation)[None])
    box = [left, top, right - left, bottom - top]
    return LabeledObject(one.label, box, segmentation, one.area, one.is_crowd, one.is_region, one.score)


def _turn_points(points: np.ndarray, size: ImageSize, orientation: int) -> np.ndarray:
    """Turn points (N, 2) of x and y in an image of this size as stored."""
    x, y = points[:, 1], points[:, 0]
    if orientation in (6, 7):
        x = size.height - x
    if orientation in (7, 8):
        y = size.width - y
    return np.stack([x, y], axis=1)


def _turn_pixels(pixels: np.ndarray, orientation: int) -> np.ndarray:
    turned = pixels.T
    if orientation in (6, 7):
        turned = turned[:, ::-1]
    if orientation in (7, 8):
        turned = turned[::-1]
    return np.ascontiguousarray(turned)
