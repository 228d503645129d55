"""Pairs of boxes that lie close to each other, without comparing each with all others; and groups of such pairs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

QUERIES = 10_000
"""Boxes that are looked up at once: what bounds the memory for pairs."""


def neighbor_pairs(boxes: np.ndarray, labels: np.ndarray, reach: float = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield pairs of boxes of the same class that overlap or touch, found with shapely's STRtree.

    Args:
        boxes: (N, 4), left, top, right and bottom edge.
        labels: (N,), the classes.
        reach: distance by which all boxes are enlarged on each side.

    Yields:
        Indices i and j, (n,) each, with i < j; each pair once.
    """
    import shapely  # which mmdet brings: networks without boxes need neither

    grown = np.asarray(boxes, np.float64) + np.array([-reach, -reach, reach, reach])
    shapes = shapely.box(*grown.T)
    tree = shapely.STRtree(shapes)
    for start in range(0, len(boxes), QUERIES):
        first, second = tree.query(shapes[start : start + QUERIES])
        first = first + start
        wanted = (first < second) & (labels[first] == labels[second])
        yield first[wanted], second[wanted]


def intersections(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the boxes that pairs of boxes have in common, float64 (n, 4); their sides may be negative."""
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    return np.hstack([np.maximum(first[:, :2], second[:, :2]), np.minimum(first[:, 2:], second[:, 2:])])


def areas(boxes: np.ndarray) -> np.ndarray:
    """Return the areas of boxes (n, 4), float64 (n,); 0 for those with negative sides."""
    sides = np.asarray(boxes, np.float64)[:, 2:] - np.asarray(boxes, np.float64)[:, :2]
    return sides.clip(min=0).prod(axis=1)


def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Divide areas; 0 where the divisor is 0."""
    return np.divide(part, whole, out=np.zeros(len(part)), where=np.asarray(whole) > 0)


def box_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the intersection over union of pairs of boxes, float64 (n,)."""
    common = areas(intersections(first, second))
    return share(common, areas(first) + areas(second) - common)


def connected(pairs: np.ndarray, count: int) -> np.ndarray:
    """Number the groups of objects that pairs connect, directly or through others.

    Args:
        pairs: indices of the objects, (2, n).
        count: number of objects.

    Returns:
        int (count,), the group of each object; those in no pair have groups of their own.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(pairs.shape[1], bool), (pairs[0], pairs[1])), shape=(count, count))
    return connected_components(links, directed=False)[1]
