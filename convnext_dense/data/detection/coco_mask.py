"""Read masks of COCO files, polygons and run-length encodings (RLE), and check them without drawing them.

pycocotools does not check its input: a broken RLE makes it read or write outside its memory.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from pycocotools import mask as rle

from ...io.coco_format import Polygons, RunLengths
from ...io.image_size import ImageSize
from ..formats.values import read_number
from .boxes import Box, Corners, box_of_corners, corners_of_box, same_corners

NO_MASK = 'no mask, where others have one'
NO_POLYGON = 'no polygon of three points'
FAR_POLYGON = 'polygon far outside its image'
AS_TEXT = 'fixed: numbers are text'
FLAT = 'fixed: polygon is not in a list of polygons'
PAIRS = 'fixed: polygon in pairs of coordinates'
RECTANGLE = 'fixed: mask is given as a rectangle'
DIGIT, MORE, SIGN = 31, 32, 16
"""Bits of a character of compressed RLE minus 48: five bits of the number, a flag for more characters, and, in the
last character, the sign."""


class MaskReading(NamedTuple):
    """The mask of an annotation."""

    mask: Any = None
    """The usable mask, polygons or an RLE, or None."""
    fault: str | None = None
    """The reason why there is none."""
    repairs: tuple[str, ...] = ()
    """What was changed."""


def read_mask(value: Any, size: ImageSize, box: Box | None) -> MaskReading:
    """Read a ``segmentation``, also in forms other than COCO's whose meaning is clear.

    Polygons may be a single flat list of coordinates, or lists of points [x, y], and numbers may be text. Two points
    are opposite corners of a rectangle; so are four numbers that are those of the box, as corners or as COCO's box.
    Polygons of fewer than three points, of an odd number of coordinates, or with one that is not finite are left out.

    Args:
        value: the ``segmentation``.
        size: the image's size.
        box: the annotation's box, or None if it has no usable one.
    """
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        value = value[0]
    if not value:
        return MaskReading(fault=NO_MASK)
    if not isinstance(value, list):
        if not rle_fits(value, size):
            return MaskReading(fault='broken RLE')
        return MaskReading({**value, 'size': list(size)} if value['size'] != list(size) else value)
    if all(map(_is_polygon, value)):
        return MaskReading(value)
    polygons, repairs = _as_polygons(value)
    usable = [polygon for polygon in polygons if _is_polygon(polygon)]
    if not usable and len(polygons) == 1 and len(polygons[0]) == 4:
        rectangle = _as_rectangle(polygons[0], box, is_two_points=PAIRS in repairs)
        if rectangle is not None:
            return MaskReading([rectangle], repairs=(RECTANGLE,))
    if not usable:
        return MaskReading(fault=NO_POLYGON)
    if len(usable) < len(polygons):
        repairs = (*repairs, 'fixed: polygons without three points left out')
    return MaskReading(usable, repairs=repairs)


def rectangle_mask(box: Box) -> Polygons:
    """Return the rectangle of a box as a mask."""
    x1, y1, x2, y2 = corners_of_box(box)
    return [[x1, y1, x2, y1, x2, y2, x1, y2]]


def _as_polygons(value: list) -> tuple[list[list[float]], tuple[str, ...]]:
    """Convert a list that is not in COCO's form to polygons; one that is not understood is empty.

    Returns:
        The polygons, and the differences from COCO's form.
    """
    repairs: dict[str, None] = {}

    def number(coordinate: Any) -> float:
        repairs.update({AS_TEXT: None} if isinstance(coordinate, str) else {})
        as_number = read_number(coordinate)
        return math.nan if as_number is None else as_number

    def polygon(entry: Any) -> list[float]:
        if not isinstance(entry, list):
            return []
        if entry and all(_is_point(point) for point in entry):
            repairs[PAIRS] = None
            return [number(coordinate) for point in entry for coordinate in point]
        return [number(coordinate) for coordinate in entry]

    if not any(isinstance(entry, list | dict) for entry in value):
        repairs[FLAT] = None
        polygons = [polygon(value)]
    elif all(_is_point(entry) for entry in value):
        polygons = [polygon(value)]
    else:
        polygons = [polygon(entry) for entry in value]
    return polygons, tuple(repairs)


def _is_point(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and not any(isinstance(v, list | dict) for v in value)


def _as_rectangle(numbers: list[float], box: Box | None, is_two_points: bool) -> list[float] | None:
    """Return the polygon of a rectangle given by two corners, or by the numbers of the annotation's box."""
    x1, y1, x2, y2 = numbers
    corners: Corners = (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
    if box is None or min(box[2:]) <= 0:
        fits = is_two_points and corners[0] < corners[2] and corners[1] < corners[3]
        return rectangle_mask(box_of_corners(corners))[0] if fits else None
    own = corners_of_box(box)
    return rectangle_mask(box)[0] if same_corners(corners, own) or same_corners(corners_of_box(numbers), own) else None


def mask_extent(mask: Polygons | RunLengths, size: ImageSize) -> Corners | None:
    """Return the edges of a mask, which must be valid; None for an RLE without pixels.

    Polygons are not clipped to the image.
    """
    if isinstance(mask, list):
        numbers = mask[0] if len(mask) == 1 else [number for polygon in mask for number in polygon]
        xs, ys = numbers[::2], numbers[1::2]
        return min(xs), min(ys), max(xs), max(ys)
    runs: Any = rle.frPyObjects(mask, *size) if isinstance(mask['counts'], list) else mask
    x, y, w, h = rle.toBbox(runs).tolist()
    return (x, y, x + w, y + h) if w and h else None


def _is_polygon(polygon: Any) -> bool:
    try:
        return len(polygon) >= 6 and len(polygon) % 2 == 0 and math.isfinite(sum(polygon))
    except (TypeError, OverflowError):
        return False


def rle_fits(mask: Any, size: ImageSize) -> bool:
    """Check that an RLE is well-formed, has this size, and that its runs cover it exactly.

    Args:
        mask: a :class:`~convnext_dense.io.coco_format.RunLengths`, or any other JSON object.
        size: the image's size.
    """
    try:
        runs = mask['counts']
        if isinstance(runs, str):
            runs = decompress(runs)
        return list(mask['size']) == list(size) and min(runs) >= 0 and sum(runs) == size.height * size.width
    except (KeyError, TypeError, ValueError, OverflowError):
        return False


def decompress(counts: str) -> list[int]:
    """Decompress the run lengths of an RLE, like ``rleFrString`` in COCO's maskApi.c.

    A number is a group of characters with five bits each, lowest first; from the fourth on, each number is the
    difference from the number two places before.

    Raises:
        ValueError: if the string has another format.
    """
    codes = np.frombuffer(counts.encode('ascii'), np.uint8).astype(np.int64) - 48
    if not codes.size or codes.min() < 0 or codes.max() >= 2 * MORE or codes[-1] & MORE:
        raise ValueError('not a compressed RLE')
    ends = np.flatnonzero(codes & MORE == 0) + 1
    starts = np.concatenate([[0], ends[:-1]])
    lengths = ends - starts
    if lengths.max() > 7:  # more than the 32 bits of a run length
        raise ValueError('not a compressed RLE')
    digits = (codes & DIGIT) << 5 * (np.arange(codes.size) - np.repeat(starts, lengths))
    runs = np.add.reduceat(digits, starts)
    runs -= np.where(codes[ends - 1] & SIGN, 1 << 5 * lengths, 0)
    runs[1::2], runs[2::2] = runs[1::2].cumsum(), runs[2::2].cumsum()
    return runs.tolist()


def mask_area(mask: Polygons | RunLengths, size: ImageSize) -> float:
    """Return the number of pixels of a mask, which must be valid."""
    if isinstance(mask, list):
        mask = rle.merge(rle.frPyObjects(mask, *size))
    elif isinstance(mask['counts'], list):
        return float(sum(mask['counts'][1::2]))
    return float(rle.area(mask))
