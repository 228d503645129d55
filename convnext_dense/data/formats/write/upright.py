"""Turn annotations between an image as it is stored and the upright image, which EXIF orientation describes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ....io.image_size import ImageSize
from ....results.rle import decode_mask, encode_masks
from .base import LabeledImage, LabeledObject

TRANSPOSED, FROM_RIGHT, FROM_BELOW = (5, 6, 7, 8), (2, 3, 6, 7), (3, 4, 7, 8)
"""EXIF orientations by which the upright image has the stored columns as rows; and by which its columns, and its rows,
are in the opposite order."""
BACK = {6: 8, 8: 6}
"""Orientations that turn back; the others do so themselves."""


def arrange(image: LabeledImage, as_stored: bool) -> LabeledImage:
    """Return an image with annotations of the upright image.

    Args:
        image: the image.
        as_stored: return those of the image as stored, if its size does not tell which of both they are of. So are
            COCO files and masks read.
    """
    as_stored = as_stored and (image.orientation not in TRANSPOSED or image.size.height == image.size.width)
    if image.is_stored == as_stored or image.orientation == 1:
        return image
    orientation = image.orientation if image.is_stored else BACK.get(image.orientation, image.orientation)
    size = image.size.transposed if orientation in TRANSPOSED else image.size
    objects = [_turned(one, image.size, orientation) for one in image.objects]
    labels = None if image.labels is None else _turn_pixels(image.labels, orientation)
    return replace(image, size=size, objects=objects, labels=labels, is_stored=as_stored)


def _turned(one: LabeledObject, size: ImageSize, orientation: int) -> LabeledObject:
    corners = _turn_points(np.reshape(one.corners, (2, 2)), size, orientation)
    (left, top), (right, bottom) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    segmentation = one.segmentation
    if isinstance(segmentation, list):
        points = [np.reshape(polygon, (-1, 2)) for polygon in segmentation]
        segmentation = [_turn_points(polygon, size, orientation).ravel().tolist() for polygon in points]
    elif segmentation is not None:
        (segmentation,) = encode_masks(_turn_pixels(decode_mask(segmentation, size), orientation)[None])
    return replace(one, box=[left, top, right - left, bottom - top], segmentation=segmentation)


def _turn_points(points: np.ndarray, size: ImageSize, orientation: int) -> np.ndarray:
    """Turn points (N, 2) of x and y in an image of this size before."""
    x, y = points[:, 0], points[:, 1]
    height, width = size
    if orientation in TRANSPOSED:
        x, y, width, height = y, x, height, width
    if orientation in FROM_RIGHT:
        x = width - x
    if orientation in FROM_BELOW:
        y = height - y
    return np.stack([x, y], axis=1)


def _turn_pixels(pixels: np.ndarray, orientation: int) -> np.ndarray:
    turned = pixels.T if orientation in TRANSPOSED else pixels
    if orientation in FROM_RIGHT:
        turned = turned[:, ::-1]
    if orientation in FROM_BELOW:
        turned = turned[::-1]
    return np.ascontiguousarray(turned)
