"""The masks of COCO files: polygons and run-length encodings (RLE), checked without drawing them.

pycocotools trusts what it is given: a broken RLE makes it read or write beyond its memory.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from pycocotools import mask as rle

DIGIT, MORE, SIGN = 31, 32, 16  # the bits of a character of compressed RLE, less 48: five of the number, go on, minus


def good_polygons(polygons: list) -> list[list[float]]:
    """Those polygons ``[x1, y1, x2, y2, ...]`` that have three points or more, all of them finite numbers."""
    return [p for p in polygons if _is_polygon(p)]


def _is_polygon(polygon: Any) -> bool:
    try:
        return len(polygon) >= 6 and len(polygon) % 2 == 0 and math.isfinite(sum(polygon))
    except TypeError:
        return False


def rle_fits(mask: dict, height: int, width: int) -> bool:
    """Whether an RLE is of this size, in pixels, and its runs cover it exactly.

    Args:
        mask: ``size`` (height, width), and as ``counts`` either the lengths of runs of 0 and 1 in turn, column by
            column, or the same compressed to a string.
    """
    try:
        runs = mask['counts']
        if isinstance(runs, str):
            runs = unpacked(runs)
        return list(mask['size']) == [height, width] and min(runs) >= 0 and sum(runs) == height * width
    except (KeyError, TypeError, ValueError):
        return False


def unpacked(counts: str) -> list[int]:
    """The run lengths in a compressed RLE, as in ``rleFrString`` of COCO's maskApi.c.

    A number is a group of characters of five bits each, the lowest first; from the fourth on each number is the
    difference to the one two before it.

    Raises:
        ValueError: if it is not such a string.
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


def mask_area(mask: list | dict, height: int, width: int) -> float:
    """Pixels of a mask that has been found good."""
    if isinstance(mask, list):
        mask = rle.merge(rle.frPyObjects(mask, height, width))
    elif isinstance(mask['counts'], list):
        return float(sum(mask['counts'][1::2]))
    return float(rle.area(mask))
