"""Check masks of COCO files, polygons and run-length encodings (RLE), without drawing them.

pycocotools does not check its input: a broken RLE makes it read or write outside its memory.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from pycocotools import mask as rle

from ...io.coco_format import Polygons, RunLengths
from ...io.image_size import ImageSize

DIGIT, MORE, SIGN = 31, 32, 16
"""Bits of a character of compressed RLE minus 48: five bits of the number, a flag for more characters, and, in the
last character, the sign."""


def valid_polygons(polygons: list) -> Polygons:
    """Select the polygons ``[x1, y1, x2, y2, ...]`` of three points or more with finite coordinates."""
    return [p for p in polygons if _is_polygon(p)]


def _is_polygon(polygon: Any) -> bool:
    try:
        return len(polygon) >= 6 and len(polygon) % 2 == 0 and math.isfinite(sum(polygon))
    except TypeError:
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
    except (KeyError, TypeError, ValueError):
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
