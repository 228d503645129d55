"""Cut masks of COCO files to a window of the image, without drawing them in the whole image."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from pycocotools import mask as rle

from ...io.coco_format import Polygons, RunLengths
from ...io.image_size import ImageSize
from ...io.window import Window
from .coco_mask import decompress


def crop_mask(mask: Polygons | RunLengths, window: Window, size: ImageSize) -> RunLengths | None:
    """Cut a mask to a window: the pixels are those of the mask that is drawn in the whole image.

    Args:
        mask: polygons, which are drawn in their own box, or an RLE, which is cut by its runs.
        window: the window.
        size: of the image.

    Returns:
        The mask as large as the window; None if no pixel of it is there.
    """
    runs, height, origin = _drawn(mask, window, size) if isinstance(mask, list) else (_runs(mask), size.height, (0, 0))
    moved = Window(window.top - origin[0], window.left - origin[1], *window.size)
    starts, ends = _segments(runs, height, moved)
    if not len(starts):
        return None
    edges = np.stack([starts, ends], axis=1).ravel()
    counts = np.diff(edges, prepend=0, append=window.height * window.width)
    return {'size': list(window.size), 'counts': counts[: len(counts) - (counts[-1] == 0)].tolist()}


def _runs(mask: Any) -> np.ndarray:
    counts = mask['counts']
    if isinstance(counts, bytes):
        counts = counts.decode('ascii')
    return np.asarray(decompress(counts) if isinstance(counts, str) else counts, np.int64)


def _drawn(polygons: Polygons, window: Window, size: ImageSize) -> tuple[np.ndarray, int, tuple[int, int]]:
    """Draw polygons as far as the end of a window, from the beginning of their box.

    pycocotools cuts off the fractions of negative numbers, so that whole numbers alone are subtracted, and none that
    makes a coordinate negative which is not.

    Returns:
        Runs of the mask, its height, and the row and column of the image where it begins.
    """
    points = np.concatenate([np.reshape(polygon, (-1, 2)) for polygon in polygons])
    left, top = (max(math.floor(min(low, start)), 0) for low, start in zip(points.min(0), window[1::-1], strict=True))
    height, width = max(window.bottom - top, 1), max(window.right - left, 1)
    moved = [(np.reshape(polygon, (-1, 2)) - [left, top]).ravel().tolist() for polygon in polygons]
    return _runs(rle.merge(rle.frPyObjects(moved, height, width))), height, (top, left)


def _segments(runs: np.ndarray, height: int, window: Window) -> tuple[np.ndarray, np.ndarray]:
    """Return where the runs of ones of a mask begin and end in a window of it, column by column of the window."""
    ends = runs.cumsum()[1::2]
    starts = ends - runs[1::2]
    near = (ends > window.left * height) & (starts < window.right * height) & (ends > starts)
    starts, ends = starts[near], ends[near]
    first, last = starts // height, (ends - 1) // height  # columns
    numbers = last - first + 1
    columns = np.arange(numbers.sum()) - np.repeat(numbers.cumsum() - numbers, numbers) + np.repeat(first, numbers)
    tops = np.maximum(np.repeat(starts, numbers) - columns * height, window.top) - window.top
    bottoms = np.minimum(np.repeat(ends, numbers) - columns * height, window.bottom) - window.top
    kept = (tops < bottoms) & (columns >= window.left) & (columns < window.right)
    offsets = (columns[kept] - window.left) * window.height
    starts, ends = offsets + tops[kept], offsets + bottoms[kept]
    is_edge = np.ones(len(starts) + 1, bool)
    is_edge[1:-1] = starts[1:] != ends[:-1]  # else one goes on from the end of a column to the beginning of the next
    return starts[is_edge[:-1]], ends[is_edge[1:]]


def crop_polygons(polygons: Polygons, window: Window) -> Polygons:
    """Cut polygons to a window, in its coordinates; those of which nothing is there are left out.

    By Sutherland and Hodgman (1974), one edge of the window after the other: the parts of a polygon that the window
    cuts apart stay connected along its edge, with no area between them.
    """
    bounds = [(0, 1, window.left), (0, -1, -window.right), (1, 1, window.top), (1, -1, -window.bottom)]
    cut = []
    for polygon in polygons:
        points = np.reshape(polygon, (-1, 2)).astype(float)
        for axis, sign, bound in bounds:
            points = _cut(points, axis, sign, bound)
        if len(points) > 2 and _area(points):
            moved = (points - [window.left, window.top]).clip(0, window.size[::-1])  # errors of rounding
            cut.append(moved.ravel().tolist())
    return cut


def _area(points: np.ndarray) -> float:
    x, y = (points - points[0]).T
    return abs(float(x @ np.roll(y, 1) - y @ np.roll(x, 1))) / 2


def _cut(points: np.ndarray, axis: int, sign: int, bound: float) -> np.ndarray:
    """Keep the part of a polygon (N, 2) where ``sign * coordinate >= bound``."""
    kept = []
    for before, point in zip(np.roll(points, 1, axis=0), points, strict=True):
        from_bound, distance = sign * before[axis] - bound, sign * point[axis] - bound
        if from_bound * distance < 0:
            kept.append(before + (point - before) * (from_bound / (from_bound - distance)))
        if distance >= 0:
            kept.append(point)
    return np.array(kept).reshape(-1, 2)
