"""The segments of large images in tiles: which tiles show a thing, and what is learned there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from ...counting import counted
from ...io.image_size import ImageSize
from ...io.panoptic import VOID, PanopticTruth, Segments, check_known, check_segments_size, known_ids, read_segment_ids
from ...io.window import Window
from ...tiling.grid import tile_windows
from ...tiling.settings import TileSettings
from ..scan_cache import cache_file, files_digest, scan_once
from ..tiles import TileTable, describe_cut

SCAN_VERSION = 1
"""Version of the cached results; increase it whenever the results of a scan change."""

ROWS = 256
"""Rows of an image that are gone through at once."""

Box = tuple[int, int, int, int]
"""Left, top, right and bottom edge in pixels."""


class TiledSegments(NamedTuple):
    """The segments of an image: the boxes around them, and those that each tile shows."""

    boxes: dict[int, Box]
    tiles: list[list[int]]
    """Ids of the segments with a pixel in each tile."""


def scan_segments(truths: Sequence[PanopticTruth], settings: TileSettings) -> list[TiledSegments]:
    """Find the segments in the tiles of images, or take what was found before if nothing has changed since.

    Args:
        truths: the ground truth of the images, with their ``size``.
        settings: size and overlap of the tiles.

    Raises:
        UserError: if a file can't be read or does not fit its annotations.
    """
    files = [truth['segments_file'] for truth in truths]
    tiles = (tuple(settings.size), settings.overlap)

    def scan() -> list[Any]:
        with ThreadPoolExecutor() as pool:
            return list(pool.map(lambda truth: _scan(truth, settings), truths))

    file = cache_file('tiles', files[0], f'panoptic {tiles} {len(files)}')
    listed = [
        (sorted(s['id'] for s in truth['segments']), sorted(truth.get('replaced', {}).items())) for truth in truths
    ]
    found = scan_once(file, files_digest(files, SCAN_VERSION, tiles, listed), scan, 'PNG files')
    return [TiledSegments({number: (x1, y1, x2, y2) for number, x1, y1, x2, y2 in boxes}, ids) for boxes, ids in found]


def _scan(truth: PanopticTruth, settings: TileSettings) -> tuple[list[list[int]], list[list[int]]]:
    path, replaced = truth['segments_file'], truth.get('replaced', {})
    ids = read_segment_ids(path)
    check_segments_size(truth, ids)
    boxes = boxes_of(ids)
    unknown = boxes.keys() - known_ids(truth)
    check_known(truth, {number: int((ids == number).sum()) for number in unknown})
    joined: dict[int, Box] = {}
    for number, box in boxes.items():
        own = replaced.get(number, number)
        joined[own] = _around(joined.get(own, box), box)
    windows = tile_windows(ImageSize.of(ids), settings.size, settings.overlap)
    found = ({replaced.get(number, number) for number in np.unique(ids[one.slices]).tolist()} for one in windows)
    return [[number, *box] for number, box in joined.items()], [sorted(of_tile - {VOID}) for of_tile in found]


def boxes_of(ids: np.ndarray) -> dict[int, Box]:
    """Return the smallest box around each segment of an image, by its id; ids are integers (H, W)."""
    parts = [np.zeros((4, 0), np.int64)]
    for top in range(0, len(ids), ROWS):
        rows = ids[top : top + ROWS]
        is_start = np.ones(rows.shape, bool)
        is_start[:, 1:] = rows[:, 1:] != rows[:, :-1]
        y, x = np.nonzero(is_start)
        ends = np.where(np.append(y[1:] != y[:-1], True), ids.shape[1], np.append(x[1:], 0))
        parts.append(np.stack([rows[y, x], y + top, x, ends]))
    of_run, y, left, right = np.hstack(parts)
    numbers, places = np.unique(of_run, return_inverse=True)
    low, high = np.full((2, len(numbers)), max(ids.shape)), np.zeros((2, len(numbers)), np.int64)
    for axis, starts, ends in ((0, left, right), (1, y, y + 1)):
        np.minimum.at(low[axis], places, starts)
        np.maximum.at(high[axis], places, ends)
    sides = np.vstack([low, high]).T.tolist()
    return {
        number: (x1, y1, x2, y2) for number, (x1, y1, x2, y2) in zip(numbers.tolist(), sides, strict=True) if number
    }


def _around(one: Box, other: Box) -> Box:
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])


def visible_share(box: Box, window: Window) -> float:
    """Return the share of a box that is in a window, by area."""
    x1, y1, x2, y2 = box
    width = max(min(x2, window.right) - max(x1, window.left), 0)
    height = max(min(y2, window.bottom) - max(y1, window.top), 0)
    return width * height / ((x2 - x1) * (y2 - y1))


class Shown(NamedTuple):
    """What a window shows."""

    things: list[int]
    """Ids of the things that are learned."""
    ignored: list[int]
    """Ids of the things of which it has less than the least share."""
    stuff: list[int]
    """Ids of the stuff."""


def find_shown(
    truth: PanopticTruth, ids: Sequence[int], boxes: Mapping[int, Box], window: Window, least_visible: float
) -> Shown:
    """Tell what is learned in a window; crowds never are.

    Args:
        truth: the ground truth of the image.
        ids: the segments with pixels in the window.
        boxes: the box around each segment in the image, by its id.
        window: the window.
        least_visible: least share of a thing's box, in (0, 1], with which it is learned.
    """
    present, things = set(ids), truth['things']
    shown = Shown([], [], [])
    for segment in truth['segments']:
        number = segment['id']
        if segment['iscrowd'] or number not in present:
            continue
        if segment['label'] >= things:
            shown.stuff.append(number)
        elif visible_share(boxes[number], window) >= least_visible:
            shown.things.append(number)
        else:
            shown.ignored.append(number)
    return shown


def find_tiles(
    truths: Sequence[PanopticTruth], scans: Sequence[TiledSegments], settings: TileSettings
) -> tuple[TileTable, str, int]:
    """Find the tiles with a thing that is visible enough.

    Args:
        truths: the ground truth of the images, with their ``size``.
        scans: of each image, from :func:`scan_segments`.
        settings: size and overlap of the tiles, and the least visible share.

    Returns:
        The tiles, what is said of the others and of things that tiles cut, and the number of times these are ignored.
    """
    shown: list[tuple[int, Window]] = []
    empty: list[tuple[int, Window]] = []
    ignored: set[tuple[int, int]] = set()
    learned: set[tuple[int, int]] = set()
    times = unlabeled = 0
    for image, (truth, scan) in enumerate(zip(truths, scans, strict=True)):
        windows = tile_windows(ImageSize(*truth['size']), settings.size, settings.overlap)
        for window, ids in zip(windows, scan.tiles, strict=True):
            found = find_shown(truth, ids, scan.boxes, window, settings.least_visible)
            learned.update((image, number) for number in found.things)
            ignored.update((image, number) for number in found.ignored)
            times += len(found.ignored)
            if found.things or found.stuff:
                (shown if found.things else empty).append((image, window))
            else:
                unlabeled += 1
    line = ''
    if unlabeled:
        line = f'; {counted(unlabeled, "other")} with nothing to learn {"is" if unlabeled == 1 else "are"} not used'
    line += describe_cut('thing', len(ignored), times, len(ignored - learned), settings)
    return TileTable(shown, empty, settings), line, times


def cut_segments(read: Segments, reach: Window, window: Window) -> Segments:
    """Return the segments of a window, with their areas in it.

    Args:
        read: the segments of the reach.
        reach: a window that has all of the other.
        window: the window.
    """
    inside = Window(window.top - reach.top, window.left - reach.left, *window.size)
    ids = read.ids[inside.slices]
    numbers, counts = np.unique(ids, return_counts=True)
    areas = dict(zip(numbers.tolist(), counts.tolist(), strict=True))
    return Segments(ids, [{**one, 'area': areas.get(one['id'], 0)} for one in read.segments])
