"""Panoptic segmentation of large images: the segments of tiles become those of the image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..io.image_size import ImageSize
from ..io.panoptic import VOID
from ..io.window import Window
from .grid import TileAxis, check_tiles
from .neighbors import connected


class TileSegments(NamedTuple):
    """The segments of a tile."""

    ids: np.ndarray
    """int (h, w), the id of each pixel's segment, or 0 where there is none."""
    labels: dict[int, int]
    """The class of each id; things have the first labels."""


ROWS = 256
"""Rows of the image that are renumbered at once."""

PredictSegments = Callable[[Sequence[Window]], Sequence[TileSegments]]


def merge_segments(
    size: ImageSize,
    tile: ImageSize,
    overlap: float,
    things: int,
    predict: PredictSegments,
    batch: int = 1,
    threshold: float = 0.5,
    out: np.ndarray | None = None,
) -> TileSegments:
    """Predict the tiles of an image and merge their segments.

    A pixel belongs to the tile whose edges inside the image are the farthest: neighbors change in the middle of their
    overlap. Things of two neighbors are one if they are of the same class and have in common, in the overlap of the
    tiles, at least ``threshold`` of the pixels that the smaller one has there; without overlap, of the pixels along
    the seam. So all parts of a thing that tiles cut become one. Stuff of one class is one segment of the image.

    Beside the ids of the image, memory holds those of two rows of tiles.

    Args:
        size: of the image.
        tile: size of a tile.
        overlap: share of a tile's side by which neighbors overlap, in [0, 0.5].
        things: number of classes that are things.
        predict: returns the segments of n windows.
        batch: largest number of windows that are predicted at once.
        threshold: see above, in (0, 1].
        out: int32 (H, W) to fill, such as a memory map, for an image whose ids do not fit into memory; made if it is
            None.

    Returns:
        The ids of the image, from 1 on in the order of their first pixels row by row of tiles, with the class of each.

    Raises:
        UserError: see :func:`~convnext_dense.tiling.grid.check_tiles`.
    """
    check_tiles(tile, overlap)
    y, x = TileAxis(size.height, tile.height, overlap), TileAxis(size.width, tile.width, overlap)
    ids = np.empty(size, np.int32) if out is None else out
    labels = [-1]  # of each number; number 0 stands for void
    pairs: list[tuple[int, int]] = []
    above: list[np.ndarray] = []
    for i in range(len(y.starts)):
        row: list[np.ndarray] = []
        windows = [Window(y.starts[i], left, y.tile, x.tile) for left in x.starts]
        for j, segments in enumerate(_predicted(windows, predict, batch)):
            numbers = _numbered(segments, labels)
            (top, bottom), (left, right) = y.middles[i : i + 2], x.middles[j : j + 2]
            own = numbers[top - y.starts[i] : bottom - y.starts[i], left - x.starts[j] : right - x.starts[j]]
            ids[top:bottom, left:right] = own
            if j:
                pairs += _same(row[-1].T, numbers.T, x.starts[j] - x.starts[j - 1], labels, things, threshold)
            if i:
                pairs += _same(above[j], numbers, y.starts[i] - y.starts[i - 1], labels, things, threshold)
            row.append(numbers)
        above = row
    return _renumbered(ids, np.array(labels), pairs, things)


def _predicted(windows: list[Window], predict: PredictSegments, batch: int) -> Iterator[TileSegments]:
    for first in range(0, len(windows), batch):
        yield from predict(windows[first : first + batch])


def _numbered(segments: TileSegments, labels: list[int]) -> np.ndarray:
    """Give the segments of a tile numbers of their own and append their classes; return them, int32 (h, w)."""
    found, places = np.unique(segments.ids, return_inverse=True)
    numbers = np.zeros(len(found), np.int32)
    for k, one in enumerate(found.tolist()):
        if one != VOID:
            numbers[k] = len(labels)
            labels.append(segments.labels[one])
    return numbers[places].reshape(segments.ids.shape)


def _same(
    first: np.ndarray, second: np.ndarray, distance: int, labels: list[int], things: int, threshold: float
) -> list[tuple[int, int]]:
    """Return pairs of things in two tiles that are the same, the second tile so many rows below the first.

    Args:
        first, second: numbers of the segments of their pixels, (h, w).
        distance: rows from the start of the first to that of the second, at most h.
        labels: class of each number.
        things: number of classes that are things.
        threshold: least share of the smaller one in the overlap.
    """
    if distance < len(first):
        first, second = first[distance:], second[: len(first) - distance]
    else:
        first, second = first[-1:], second[:1]
    areas = {**_counts(first), **_counts(second)}  # no number is in both, but for void
    same = []
    for pair, common in _counts(first.astype(np.int64) * len(labels) + second).items():
        one, other = divmod(pair, len(labels))
        is_thing = one and other and labels[one] == labels[other] < things
        if is_thing and common >= threshold * min(areas[one], areas[other]):
            same.append((one, other))
    return same


def _counts(numbers: np.ndarray) -> dict[int, int]:
    """Count the pixels of each number."""
    return dict(zip(*(each.tolist() for each in np.unique(numbers, return_counts=True)), strict=True))


def _renumbered(ids: np.ndarray, labels: np.ndarray, pairs: list[tuple[int, int]], things: int) -> TileSegments:
    """Join segments and number those that have pixels from 1 on; ``ids`` are changed in place, some rows at a time."""
    stuff = np.flatnonzero(labels >= things)
    classes_of_stuff, firsts = np.unique(labels[stuff], return_index=True)
    of_class = stuff[firsts][np.searchsorted(classes_of_stuff, labels[stuff])]
    joined = np.hstack([np.array(pairs, np.int64).reshape(-1, 2).T, np.stack([of_class, stuff])])
    groups = connected(joined, len(labels))
    present = np.zeros(len(labels), bool)
    for top in range(0, len(ids), ROWS):
        present[ids[top : top + ROWS]] = True
    present[VOID] = False
    with_pixels, firsts = np.unique(groups[present], return_index=True)
    order = np.argsort(firsts)
    final = np.zeros(len(labels), np.int32)  # by group
    final[with_pixels[order]] = np.arange(1, len(order) + 1)
    final = np.where(present, final[groups], VOID).astype(np.int32)  # by number
    for top in range(0, len(ids), ROWS):
        ids[top : top + ROWS] = final[ids[top : top + ROWS]]
    numbers = np.flatnonzero(present)[firsts[order]]
    return TileSegments(ids, {k: int(labels[number]) for k, number in enumerate(numbers, 1)})
