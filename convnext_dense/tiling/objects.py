"""Detections in tiles become those of the image: in its pixels, and an object that several tiles see is one.

NMS is torchvision's. The parts of objects that seams cut are matched here, since the libraries that join detections do
not ask which tile one is from. supervision 0.31 (``box_non_max_merge``, which its ``InferenceSlicer`` calls) and sahi
0.12 (``GreedyNMMPostprocess``) compare whole boxes: two parts of a long object share the overlap of their tiles alone,
a fifth of a box, and neighbors in a crowd share more, so that either these are joined or the parts are not. Without
overlap, parts never are; and the box that a seam cut joins, and spoils, the whole one of the next tile. supervision
also compares each box with all others of its class and takes the mean of the scores; sahi needs opencv-python, which
replaces the build without libGL.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from ..io.image_size import ImageSize
from ..io.window import Window
from .neighbors import areas, box_iou, connected, intersections, neighbor_pairs, share
from .parts import join_parts
from .tile_objects import CUT_DISTANCE, MaskCrop, Objects, cut_edges, edges_of

__all__ = ['MaskCrop', 'Method', 'Objects', 'merge_tiles', 'merge_with_whole']

NMS_BOXES = 2_000
"""Boxes that NMS is given at once, unless more overlap each other."""

Method = Literal['match', 'nms']
"""How objects of several tiles are merged; see :func:`merge_tiles`."""


def merge_tiles(
    tiles: Sequence[Objects],
    windows: Sequence[Window],
    size: ImageSize,
    method: Method = 'match',
    threshold: float = 0.5,
) -> Objects:
    """Merge the objects of all tiles of an image; those of one class only, each time.

    First, an object that is cut is dropped if an object of another tile is not cut, covers at least ``threshold`` of
    it, and reaches the edges that cut it. So is one near an edge that is not cut, as it seems, if an object of another
    tile, in which all of it lies, covers it likewise and reaches that edge. Then:

    - ``'match'``: of objects of different tiles that are not cut, with an intersection over union of ``threshold`` or
      more, the one with the highest score stays. Objects that are cut are joined if each reaches the edges that cut
      the other, and they agree in the overlap of their tiles: if what they have in common there is at least
      ``threshold`` of what the smaller one has there. Where tiles merely touch, it is lengths along the seam that
      agree, so that two objects which come within 4 pixels of it from both sides are taken for one. Boxes have one
      partner in each other tile, the one that agrees best; masks may have several, since an object may come to a seam
      twice. The box and the mask of joined objects are the unions, the score is the highest. Objects of the same tile
      are not compared, so that one tile gives what the network gives.
    - ``'nms'``: class-wise NMS of all (:func:`torchvision.ops.batched_nms`). Parts of an object that no tile sees
      whole remain parts.

    Time and memory grow with the number of objects that overlap, not with the square of all. A mask takes a byte for
    each pixel of its box.

    Args:
        tiles: the objects of each tile.
        windows: the tiles.
        size: of the image.
        method: ``'match'`` or ``'nms'``.
        threshold: intersection over union, or over the smaller one, from which objects are the same, in (0, 1].

    Returns:
        The objects in descending order of scores; those of a single tile as they are.
    """
    objects = Objects.concatenate(tiles)
    if len(tiles) == 1 or not len(objects):
        return objects
    numbers = np.repeat(np.arange(len(tiles)), [len(one) for one in tiles])
    where = np.array(windows)[numbers]  # (N, 4): top, left, height, width
    kept = ~(
        _seen_whole_elsewhere(objects, where, size, threshold)
        | _seen_better_elsewhere(objects, where, size, threshold)
    )
    objects, numbers, where = objects[kept], numbers[kept], where[kept]
    if method == 'nms':
        objects = objects[_nms(objects, threshold)]
    else:
        whole = objects[~objects.cut]
        whole = whole[_best_of_each(whole, numbers[~objects.cut], threshold)]
        parts = join_parts(objects[objects.cut], numbers[objects.cut], where[objects.cut], size, threshold)
        objects = Objects.concatenate([whole, parts])
    return objects[np.argsort(-objects.scores, kind='stable')]


def merge_with_whole(tiles: Objects, whole: Objects, larger_than: float, threshold: float = 0.5) -> Objects:
    """Add the large objects that a network finds in the whole image, shrunk, to those of the tiles.

    Of the objects in the whole image, only those stay whose longer side has more than ``larger_than`` pixels and that
    no object of the tiles equals (same class, intersection over union of ``threshold`` or more) that is not cut, which
    saw more detail. Cut ones and those joined from parts are dropped if one that stays covers ``threshold`` of them or
    more.

    Args:
        tiles: merged objects of the tiles.
        whole: objects in the whole image, in its pixels.
        larger_than: pixels. The overlap of the tiles, since a smaller object is in some tile as a whole.
        threshold: in (0, 1].

    Returns:
        The objects in descending order of scores.
    """
    sides = (whole.boxes[:, 2:] - whole.boxes[:, :2]).max(axis=1, initial=0)
    whole = whole[sides > larger_than]
    both = Objects.concatenate([tiles, whole])
    is_whole = np.arange(len(both)) >= len(tiles)
    dropped = np.zeros(len(both), bool)
    for first, second in neighbor_pairs(both.boxes, both.labels):
        between = ~is_whole[first] & is_whole[second] & ~both.cut[first]
        first, second = first[between], second[between]
        dropped[second[box_iou(both.boxes[first], both.boxes[second]) >= threshold]] = True
    for first, second in neighbor_pairs(both.boxes, both.labels):
        between = ~is_whole[first] & is_whole[second] & both.cut[first] & ~dropped[second]
        first, second = first[between], second[between]
        dropped[first[_covered(both, first, second) >= threshold]] = True
    merged = both[~dropped]
    return merged[np.argsort(-merged.scores, kind='stable')]


def _seen_whole_elsewhere(objects: Objects, where: np.ndarray, size: ImageSize, threshold: float) -> np.ndarray:
    """Tell which objects are cut while another tile sees them whole, bool (N,)."""
    dropped = np.zeros(len(objects), bool)
    edges = cut_edges(objects.boxes, where, size)
    for pair in neighbor_pairs(objects.boxes, objects.labels):
        for cut, whole in (pair, pair[::-1]):  # an object that is not cut is of another tile, or not the same
            chosen = objects.cut[cut] & ~objects.cut[whole] & (where[cut] != where[whole]).any(axis=1)
            cut, whole = cut[chosen], whole[chosen]
            reaches = cut_edges(objects.boxes[whole], where[cut], size, 2 * CUT_DISTANCE) | ~edges[cut]
            cut, whole = cut[np.all(reaches, axis=1)], whole[np.all(reaches, axis=1)]
            covered = np.maximum(_covered(objects, cut, whole), _sliver_covered(objects.boxes, edges, cut, whole))
            dropped[cut[covered >= threshold]] = True
    return dropped


def _seen_better_elsewhere(objects: Objects, where: np.ndarray, size: ImageSize, threshold: float) -> np.ndarray:
    """Tell which objects that are not cut are what a network makes of a part, bool (N,).

    Of an object at the edge of a tile, a network may find a box that ends some pixels before the edge. Such a one is
    not farther from the edge than it is long; another tile has all of it, and there the network finds an object that
    is not cut, covers at least ``threshold`` of it, reaches that edge, and has at least half of its score.
    """
    dropped = np.zeros(len(objects), bool)
    boxes, edges = objects.boxes, edges_of(where)
    outward = np.array([-1, -1, 1, 1])
    near = cut_edges(boxes, where, size, np.tile(boxes[:, 2:] - boxes[:, :2], 2))
    for pair in neighbor_pairs(boxes, objects.labels):
        for part, whole in (pair, pair[::-1]):
            reached = near[part] & cut_edges(boxes[whole], where[part], size)
            within = np.all(outward * (boxes[part] - edges[whole]) <= 1, axis=1)
            chosen = reached.any(axis=1) & within & ~objects.cut[part] & ~objects.cut[whole]
            chosen &= 2 * objects.scores[whole] >= objects.scores[part]
            part, whole = part[chosen], whole[chosen]
            apart = box_iou(boxes[part], boxes[whole]) < threshold  # of equal ones, the best stays
            part, whole = part[apart], whole[apart]
            dropped[part[_covered(objects, part, whole) >= threshold]] = True
    return dropped


def _sliver_covered(boxes: np.ndarray, edges: np.ndarray, cut: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return the shares of slivers that other boxes cover, float64 (n,); 0 for objects that are more than slivers.

    A sliver is so narrow that the other box, a few pixels off, may miss it. So that is taken to begin a bit earlier,
    on the side away from the edge that cuts the sliver.

    Args:
        boxes: (N, 4).
        edges: bool (N, 4), see :func:`~convnext_dense.tiling.tile_objects.cut_edges`.
        cut, whole: indices of the pairs, (n,) each.
    """
    narrow = (boxes[cut, 2:] - boxes[cut, :2]).min(axis=1, initial=np.inf) <= CUT_DISTANCE
    opposite = edges[cut][:, [2, 3, 0, 1]]
    grown = boxes[whole] + np.where(opposite, np.array([-1, -1, 1, 1]) * CUT_DISTANCE, 0)
    return share(areas(intersections(boxes[cut], grown)), areas(boxes[cut])) * narrow


def _covered(objects: Objects, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the shares of the first objects that the second ones cover, by masks if there are any, float64 (n,)."""
    if objects.masks is None:
        boxes = objects.boxes[first]
        return share(areas(intersections(boxes, objects.boxes[second])), areas(boxes))
    firsts, seconds = [objects.masks[i] for i in first], [objects.masks[i] for i in second]
    common = [one.common(other) for one, other in zip(firsts, seconds, strict=True)]
    return share(np.array(common, float), np.array([one.pixels.sum() for one in firsts], float))


def _best_of_each(objects: Objects, tiles: np.ndarray, threshold: float) -> np.ndarray:
    """Tell which objects stay if one of several tiles' is to stay for each object, bool (N,)."""
    pairs = [np.zeros((2, 0), np.int64)]
    for first, second in neighbor_pairs(objects.boxes, objects.labels):
        apart = tiles[first] != tiles[second]
        first, second = first[apart], second[apart]
        same = box_iou(objects.boxes[first], objects.boxes[second]) >= threshold
        pairs.append(np.stack([first[same], second[same]]))
    rank = np.empty(len(objects), np.int64)
    rank[np.argsort(-objects.scores, kind='stable')] = np.arange(len(objects))
    first, second = np.hstack(pairs)
    ahead = rank[first] < rank[second]
    better, worse = np.where(ahead, first, second), np.where(ahead, second, first)
    kept = np.ones(len(objects), bool)
    for i in np.argsort(rank[better], kind='stable').tolist():
        if kept[better[i]]:
            kept[worse[i]] = False
    return kept


def _nms(objects: Objects, threshold: float) -> np.ndarray:
    """Return the indices that class-wise NMS keeps.

    NMS compares each box with all others of its class. So it is given groups of boxes that overlap, some at a time.
    """
    import torch
    from torchvision.ops import batched_nms

    pairs = [np.zeros((2, 0), np.int64)]
    for first, second in neighbor_pairs(objects.boxes, objects.labels):
        ious = box_iou(objects.boxes[first], objects.boxes[second])
        overlap = ious > threshold - 1e-4  # theirs are of float32
        pairs.append(np.stack([first[overlap], second[overlap]]))
    groups = connected(np.hstack(pairs), len(objects))
    order = np.argsort(groups, kind='stable')
    boxes, scores, labels = (torch.from_numpy(each[order]) for each in (objects.boxes, objects.scores, objects.labels))
    ends = np.append(np.flatnonzero(np.diff(groups[order])) + 1, len(order))
    kept, start = [], 0
    while start < len(order):
        end = int(ends[min(int(np.searchsorted(ends, start + NMS_BOXES)), len(ends) - 1)])
        chosen = batched_nms(boxes[start:end], scores[start:end], labels[start:end], threshold)
        kept.append(order[start:end][chosen.numpy()])
        start = end
    return np.sort(np.concatenate(kept))
