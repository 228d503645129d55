"""Outlines of masks as polygons along the edges of their pixels, so that drawing them gives the same pixels."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from ....io.coco_format import Polygons, RunLengths
from ....io.image_size import ImageSize
from ....results.rle import decode_mask, encode_crops
from ....tiling.tile_objects import MaskCrop

LEAST_AGREEMENT = 0.997
"""Intersection over union with the mask above which an outline with fewer points is taken."""
TOLERANCES = (0.25, 0.5, 0.75, 1.0)
"""Distances in pixels by which outlines with fewer points may differ."""

Ring = list[float]
"""A closed polygon [x1, y1, x2, y2, ...] in pixels; the last point is joined to the first."""


class Part(NamedTuple):
    """A connected part of a mask."""

    outline: Ring
    holes: list[Ring]


def trace(mask: np.ndarray) -> list[Part]:
    """Return the outlines of the parts of a mask; pixels that touch at a corner are connected.

    Outlines have few points if these give the same mask up to :data:`LEAST_AGREEMENT`, or else every corner.

    Args:
        mask: bool (H, W).
    """
    box = cv2.boundingRect(mask.view(np.uint8))
    x, y, width, height = box
    if not width or not height:
        return []
    inner = mask[y : y + height, x : x + width]
    exact, parents = _contours(inner)
    chosen = [_corners(ring) for ring in exact]
    for tolerance in TOLERANCES:
        # the middles of edges follow a slope where the corners are its stairs
        for rings in (exact, [ring[(ring % 2).any(axis=1)] for ring in exact]):
            simple = [cv2.approxPolyDP(ring, 2 * tolerance, True)[:, 0] for ring in rings]
            has_fewer = sum(map(len, simple)) < sum(map(len, chosen)) and min(map(len, simple)) > 2
            if has_fewer and _draws(simple, parents, inner):
                chosen = simple
    moved = [(ring / 2 + (x, y)).ravel().tolist() for ring in chosen]
    parts = {number: Part(ring, []) for number, ring in enumerate(moved) if parents[number] < 0}
    for number, ring in enumerate(moved):
        if parents[number] >= 0:
            parts[parents[number]].holes.append(ring)
    return list(parts.values())


def as_segmentation(mask: np.ndarray) -> Polygons | RunLengths:
    """Return a mask, bool (H, W), as polygons, or as an RLE if it has holes, which COCO's polygons can't have."""
    return crop_as_segmentation(MaskCrop(0, 0, mask), ImageSize.of(mask))


def crop_as_segmentation(crop: MaskCrop, size: ImageSize) -> Polygons | RunLengths:
    """Return a cropped mask of an image of this size like :func:`as_segmentation`."""
    parts = trace(crop.pixels)
    if not parts or any(part.holes for part in parts):
        return encode_crops([crop], size)[0]
    offset = np.array([crop.left, crop.top])
    return [(np.reshape(part.outline, (-1, 2)) + offset).ravel().tolist() for part in parts]


def as_parts(segmentation: Polygons | RunLengths, size: ImageSize) -> list[Part]:
    """Return the parts of a ``segmentation`` of COCO files; polygons stay as they are."""
    if isinstance(segmentation, list):
        return [Part(polygon, []) for polygon in segmentation]
    return trace(decode_mask(segmentation, size))


def cut_open(part: Part) -> Ring:
    """Return a part as one polygon, in which a line that leads there and back joins each hole to the outline."""
    return _join([part.outline, *part.holes])


def as_ring(segmentation: Polygons | RunLengths, size: ImageSize) -> tuple[Ring, bool]:
    """Return a mask as one polygon, in which lines that lead there and back join parts and holes.

    This is how Ultralytics' ``merge_multi_segment`` joins the parts of an object. Polygons that overlap are united
    before. The ring is empty for a mask without pixels.

    Returns:
        The ring, and whether it is joined of several.
    """
    if isinstance(segmentation, list) and len(segmentation) > 1:
        ring = _join(segmentation)
        runs = coco_mask.merge(coco_mask.frPyObjects(segmentation, *size))
        (own,) = coco_mask.frPyObjects([ring], *size)
        if coco_mask.iou([own], [runs], [False])[0, 0] >= LEAST_AGREEMENT:
            return ring, True
        parts = trace(coco_mask.decode(runs).astype(bool))
    else:
        parts = as_parts(segmentation, size)
    rings = [ring for part in parts for ring in (part.outline, *part.holes)]
    return _join(rings), len(rings) > 1


def clip_ring(ring: Ring, size: ImageSize) -> Ring:
    """Return the part of a polygon that is inside of the image, by Sutherland and Hodgman; it may be empty."""
    points = np.reshape(np.asarray(ring, float), (-1, 2))
    for axis, sign, edge in ((0, 1, 0.0), (1, 1, 0.0), (0, -1, -float(size.width)), (1, -1, -float(size.height))):
        inside = sign * points[:, axis] >= edge
        if inside.all():
            continue
        kept: list[np.ndarray] = []
        for place in range(len(points)):
            one, before = points[place], points[place - 1]
            if inside[place] != inside[place - 1]:
                share = (sign * edge - before[axis]) / (one[axis] - before[axis])
                crossing = before + share * (one - before)
                crossing[axis] = sign * edge
                kept.append(crossing)
            if inside[place]:
                kept.append(one)
        points = np.reshape(kept, (-1, 2))
    return points.ravel().tolist()


def _contours(mask: np.ndarray) -> tuple[list[np.ndarray], list[int]]:
    """Trace a mask along the edges of its pixels.

    On a grid of twice the resolution, whose even coordinates are the edges of pixels, contours go through the edges.
    OpenCV cuts the corner where a contour turns inward; the corner is put back.

    Returns:
        Points of each ring, int (N, 2), in half pixels, and for each the index of the ring that it is a hole of or -1.
    """
    grid = np.zeros((2 * mask.shape[0] + 1, 2 * mask.shape[1] + 1), np.uint8)
    grid[1::2, 1::2] = mask
    grid = cv2.dilate(grid, np.ones((3, 3), np.uint8))
    contours, hierarchy = cv2.findContours(grid, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    return [_with_corners(contour[:, 0]) for contour in contours], hierarchy[0][:, 3].tolist()


def _with_corners(ring: np.ndarray) -> np.ndarray:
    following = np.roll(ring, -1, axis=0)
    diagonal = np.flatnonzero((ring != following).all(axis=1))
    one, other = ring[diagonal], following[diagonal]
    corners = np.where(one % 2 == 0, one, other)  # of either coordinate the even one
    return np.insert(ring, diagonal + 1, corners, axis=0)


def _corners(ring: np.ndarray) -> np.ndarray:
    """Leave out the points on straight lines."""
    before, after = np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0)
    return ring[(after - ring != ring - before).any(axis=1)]


def _draws(rings: list[np.ndarray], parents: list[int], mask: np.ndarray) -> bool:
    """Check that rings, in half pixels, give a mask, as COCO's tools draw polygons."""
    drawn = np.zeros(mask.shape, bool)
    objects = coco_mask.frPyObjects([(ring / 2).ravel().tolist() for ring in rings], *mask.shape)
    for parent, pixels in sorted(zip(parents, objects, strict=True), key=lambda one: one[0] >= 0):
        drawn = np.where(coco_mask.decode(pixels).astype(bool), parent < 0, drawn)
    return bool((drawn & mask).sum() >= LEAST_AGREEMENT * (drawn | mask).sum())


def _join(rings: list[Ring]) -> Ring:
    """Join polygons by lines between their nearest points."""
    if not rings:
        return []
    joined = np.reshape(np.asarray(rings[0], float), (-1, 2))
    for ring in rings[1:]:
        points = np.reshape(np.asarray(ring, float), (-1, 2))
        distances = ((joined[:, None] - points) ** 2).sum(axis=2)
        one, other = np.unravel_index(distances.argmin(), distances.shape)
        way = np.concatenate([points[other:], points[: other + 1]])
        joined = np.concatenate([joined[: one + 1], way, joined[one:]])
    return joined.ravel().tolist()
