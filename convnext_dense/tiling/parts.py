"""Join the parts of objects that the seams of tiles cut."""

from __future__ import annotations

import numpy as np

from ..io.image_size import ImageSize
from ..io.window import Window
from .neighbors import areas, connected, intersections, neighbor_pairs, share
from .tile_objects import CUT_DISTANCE, MaskCrop, Objects, cut_edges, edges_of


def join_parts(objects: Objects, tiles: np.ndarray, windows: np.ndarray, size: ImageSize, threshold: float) -> Objects:
    """Join objects that seams cut; see :func:`~convnext_dense.tiling.objects.merge_tiles`.

    Args:
        objects: N objects.
        tiles: int (N,), the number of the tile of each.
        windows: int (N, 4), the windows of these tiles.
        size: of the image.
        threshold: intersection over the smaller one, in the overlap of two tiles, in (0, 1].
    """
    found = [np.zeros((3, 0))]
    for first, second in neighbor_pairs(objects.boxes, objects.labels, CUT_DISTANCE):
        possible = (tiles[first] != tiles[second]) & _reach_each_other(objects.boxes, windows, size, first, second)
        first, second = first[possible], second[possible]
        common, one, other = _at_the_seam(objects, windows, first, second)
        matched = share(common, np.minimum(one, other)) >= threshold
        agreement = share(common, one + other - common)
        found.append(np.stack([first, second, agreement])[:, matched])
    pairs = np.hstack(found)
    first, second = pairs[:2].astype(np.int64)
    if objects.masks is None:
        chosen = _one_partner_a_tile(first, second, pairs[2], tiles)
        first, second = first[chosen], second[chosen]
    return _unions(objects, connected(np.stack([first, second]), len(objects)))


def _reach_each_other(
    boxes: np.ndarray, windows: np.ndarray, size: ImageSize, first: np.ndarray, second: np.ndarray
) -> np.ndarray:
    """Tell which pairs may be the same object, bool (n,): each reaches the edges in its tile that cut the other.

    Edges that both tiles have count for slivers alone: a round object may come to one in one tile only.
    """
    edges = edges_of(windows)
    sliver = boxes[:, 2:] - boxes[:, :2] <= CUT_DISTANCE
    distance = np.where(sliver[first].any(axis=1) | sliver[second].any(axis=1), 1, 2)[:, None] * CUT_DISTANCE
    reach = np.ones(len(first), bool)
    for one, other in ((first, second), (second, first)):
        low, high = (np.tile(edges[other][:, sides], 2) for sides in ([0, 1], [2, 3]))
        inside = (low < edges[one]) & (edges[one] < high)
        inside |= np.tile(sliver[one], 2) & (low <= edges[one]) & (edges[one] <= high)
        needed = inside & cut_edges(boxes[one], windows[one], size)
        reach &= np.all(~needed | cut_edges(boxes[other], windows[one], size, distance), axis=1)
    return reach


def _at_the_seam(
    objects: Objects, windows: np.ndarray, first: np.ndarray, second: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Measure pairs of objects in the overlap of their tiles: what they have in common, the first, and the second.

    The measure is the area. Where tiles merely touch, it is the length along the seam of objects that come to it; so
    it is for boxes one of which is a sliver, which may be a few pixels off. All are 0 for tiles that do not touch.
    """
    edges = edges_of(windows)
    seams = intersections(edges[first], edges[second])
    if objects.masks is not None:
        rows = zip(first.tolist(), second.tolist(), seams.astype(int).tolist(), strict=True)
        counts = [_pixels_at_the_seam(objects.masks[i], objects.masks[j], *seam) for i, j, seam in rows]
        common, one, other = np.array(counts, np.float64).reshape(-1, 3).T
        return common, one, other
    touching = (seams[:, :2] == seams[:, 2:]) & (seams[:, :2] < seams[:, 2:])[:, ::-1]  # along x, along y
    band = np.tile(touching, 2) * np.array([-1, -1, 1, 1]) * CUT_DISTANCE
    ones, others = (intersections(objects.boxes[each], seams + band) for each in (first, second))
    both = intersections(ones, others)
    sides = objects.boxes[:, 2:] - objects.boxes[:, :2]
    narrow = np.minimum(sides[first], sides[second]) <= CUT_DISTANCE
    narrow = np.where(touching.any(axis=1)[:, None], touching, narrow & ~narrow[:, ::-1])
    close = both[:, :2] - both[:, 2:] <= CUT_DISTANCE
    valid = ((ones[:, :2] < ones[:, 2:]) & (others[:, :2] < others[:, 2:])).all(axis=1)
    for boxes in (ones, others, both):  # the same extent for both where it says nothing
        boxes[:, :2][narrow & close], boxes[:, 2:][narrow & close] = 0, 1
    common, one, other = (np.where(valid, areas(boxes), 0) for boxes in (both, ones, others))
    return common, one, other


def _pixels_at_the_seam(
    first: MaskCrop, second: MaskCrop, left: int, top: int, right: int, bottom: int
) -> tuple[int, int, int]:
    """Measure two masks as :func:`_at_the_seam` does, with the seam's box given."""
    across = None
    if left == right and top < bottom:
        across, left, right = 1, left - CUT_DISTANCE, right + CUT_DISTANCE
    elif top == bottom and left < right:
        across, top, bottom = 0, top - CUT_DISTANCE, bottom + CUT_DISTANCE
    if left >= right or top >= bottom:
        return 0, 0, 0
    seam = Window(top, left, bottom - top, right - left)
    one, other = _part(first, seam), _part(second, seam)
    if across is not None:
        one, other = np.any(one, axis=across, keepdims=True), np.any(other, axis=across, keepdims=True)
    return int((one & other).sum()), int(one.sum()), int(other.sum())


def _part(mask: MaskCrop, window: Window) -> np.ndarray:
    """Return a mask in a window, bool, of the window's size."""
    part = np.zeros(window.size, bool)
    common = mask.window.intersection(window)
    if min(common.size):
        part[Window(common.top - window.top, common.left - window.left, *common.size).slices] = mask.inside(common)
    return part


def _one_partner_a_tile(first: np.ndarray, second: np.ndarray, agreement: np.ndarray, tiles: np.ndarray) -> np.ndarray:
    """Choose pairs, the best first, so that each object has one partner a tile at most; return their indices."""
    taken: set[tuple[int, int]] = set()
    chosen = []
    for k in np.argsort(-agreement, kind='stable').tolist():
        places = {(int(first[k]), int(tiles[second[k]])), (int(second[k]), int(tiles[first[k]]))}
        if not taken & places:
            taken |= places
            chosen.append(k)
    return np.array(chosen, np.int64)


def _unions(objects: Objects, groups: np.ndarray) -> Objects:
    """Return one object for each group: the unions of boxes and masks, with the highest score."""
    count = int(groups.max(initial=-1)) + 1
    boxes = np.tile(np.array([np.inf, np.inf, -np.inf, -np.inf], np.float32), (count, 1))
    np.minimum.at(boxes[:, :2], groups, objects.boxes[:, :2])
    np.maximum.at(boxes[:, 2:], groups, objects.boxes[:, 2:])
    scores, labels = np.zeros(count, np.float32), np.zeros(count, np.int64)
    np.maximum.at(scores, groups, objects.scores)
    labels[groups] = objects.labels
    masks = None
    if objects.masks is not None:
        members: list[list[MaskCrop]] = [[] for _ in range(count)]
        for group, mask in zip(groups.tolist(), objects.masks, strict=True):
            members[group].append(mask)
        masks = [_union(each) for each in members]
    return Objects(boxes, scores, labels, np.ones(count, bool), masks)


def _union(masks: list[MaskCrop]) -> MaskCrop:
    """Return the union of masks, cropped."""
    if len(masks) == 1:
        return masks[0]
    windows = [mask.window for mask in masks if mask.pixels.size]
    if not windows:
        return masks[0]
    top, left = min(w.top for w in windows), min(w.left for w in windows)
    pixels = np.zeros((max(w.bottom for w in windows) - top, max(w.right for w in windows) - left), bool)
    for window, mask in zip(windows, (mask for mask in masks if mask.pixels.size), strict=True):
        pixels[window.top - top : window.bottom - top, window.left - left : window.right - left] |= mask.pixels
    return MaskCrop(top, left, pixels)
