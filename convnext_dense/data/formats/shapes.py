"""Shapes that annotation tools draw, as boxes and masks: polygons, boxes, circles, ellipses and bitmaps.

A box stays a box; every other shape has a mask.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from pycocotools import mask as rle

from ...io.image_size import ImageSize
from ...io.mask_box import box_around
from .values import read_number

ARC_ERROR = 0.02
"""Largest distance, in pixels, of a circle from the polygon that stands for it."""
MOST_CORNERS = 720
"""Maximum number of corners of such a polygon."""
LARGEST = 1e9
"""Bound of coordinates, in pixels: with larger ones, sizes and areas are no longer numbers."""
FARTHEST = 100.0
"""Largest coordinate of a polygon, in images; drawing a larger one would take all memory."""

Point = tuple[float, float]
Corners = tuple[float, float, float, float]
"""Left, top, right and bottom edge in pixels."""


class Bitmap(NamedTuple):
    """A mask as pixels, at a place in an image."""

    left: int
    top: int
    pixels: np.ndarray
    """bool (h, w)."""


class Shape(NamedTuple):
    """An object, or a part of one, in an image."""

    corners: Corners
    polygon: list[float] | None = None
    """[x1, y1, x2, y2, ...] in pixels."""
    bitmap: Bitmap | None = None

    @property
    def is_mask(self) -> bool:
        """True if it tells more than a box."""
        return self.polygon is not None or self.bitmap is not None


class Unreadable(ValueError):
    """The reason why a shape can't be read, such as ``'polygon of 2 points'``."""


def read_numbers(values: Sequence[Any], what: str) -> list[float]:
    """Read finite numbers, which may be text.

    Raises:
        Unreadable: if one is missing or something else; ``what`` names them.
    """
    numbers = [read_number(value) for value in values]
    if any(number is None or abs(number) > LARGEST for number in numbers):
        raise Unreadable(f'{what} that {"is" if len(numbers) == 1 else "are"} no finite number')
    return [number for number in numbers if number is not None]


def read_points(values: Any) -> list[Point]:
    """Read a list of points [x, y].

    Raises:
        Unreadable: if it is something else.
    """
    if not isinstance(values, list | tuple) or not all(isinstance(v, list | tuple) and len(v) == 2 for v in values):
        raise Unreadable('points that are no list of [x, y]')
    numbers = read_numbers([number for value in values for number in value], 'points')
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def is_far(edges: Corners, size: ImageSize) -> bool:
    """Check whether a polygon with these edges extends so far beyond its image that it must not be drawn."""
    x1, y1, x2, y2 = edges
    across, down = FARTHEST * size.width, FARTHEST * size.height
    return not (-across <= x1 <= x2 <= across and -down <= y1 <= y2 <= down)


def box(x1: float, y1: float, x2: float, y2: float) -> Shape:
    """Make a box of two opposite corners."""
    return Shape((min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)))


def polygon(points: Sequence[Point]) -> Shape:
    """Make a shape of the corners of a polygon.

    Raises:
        Unreadable: if they are fewer than three.
    """
    if len(points) < 3:
        raise Unreadable(f'polygon of {len(points)} point{"" if len(points) == 1 else "s"}')
    xs, ys = zip(*points, strict=True)
    return Shape((min(xs), min(ys), max(xs), max(ys)), [number for point in points for number in point])


def ellipse(cx: float, cy: float, rx: float, ry: float, angle: float = 0) -> Shape:
    """Make an ellipse, as a polygon of the same area.

    Args:
        cx: x of the center.
        cy: y of the center.
        rx: half axis, along x if the angle is 0.
        ry: the other half axis.
        angle: of the rotation from x to y, clockwise in an image, in radians.

    Raises:
        Unreadable: if it has no area.
    """
    if rx <= 0 or ry <= 0:
        raise Unreadable('circle or ellipse without a radius')
    largest = max(rx, ry)
    step = 2 * math.acos(max(0.0, 1 - ARC_ERROR / max(largest, 2 * ARC_ERROR)))
    count = min(max(math.ceil(2 * math.pi / step), 16), MOST_CORNERS)
    # corners a little outside the arc, so that the area of the polygon is that of the ellipse
    scale = math.sqrt(2 * math.pi / count / math.sin(2 * math.pi / count))
    turns = [2 * math.pi * k / count for k in range(count)]
    cosine, sine = math.cos(angle), math.sin(angle)
    xs = [cx + scale * (rx * math.cos(t) * cosine - ry * math.sin(t) * sine) for t in turns]
    ys = [cy + scale * (rx * math.cos(t) * sine + ry * math.sin(t) * cosine) for t in turns]
    half_width, half_height = math.hypot(rx * cosine, ry * sine), math.hypot(rx * sine, ry * cosine)
    edges = (cx - half_width, cy - half_height, cx + half_width, cy + half_height)
    return Shape(edges, [number for point in zip(xs, ys, strict=True) for number in point])


def rotated_box(x1: float, y1: float, x2: float, y2: float, angle: float) -> Shape:
    """Make a polygon of a box that is rotated about its center, clockwise in an image, by an angle in radians."""
    cx, cy, cosine, sine = (x1 + x2) / 2, (y1 + y2) / 2, math.cos(angle), math.sin(angle)
    corners = ((x1, y1), (x2, y1), (x2, y2), (x1, y2))
    return polygon(
        [(cx + (x - cx) * cosine - (y - cy) * sine, cy + (x - cx) * sine + (y - cy) * cosine) for x, y in corners]
    )


def bitmap(left: int, top: int, pixels: np.ndarray) -> Shape:
    """Make a mask of pixels, bool (h, w), whose upper left one is at (left, top).

    Raises:
        Unreadable: if none is set.
    """
    x1, y1, x2, y2 = box_around(pixels)
    if x2 == 0:
        raise Unreadable('mask without pixels')
    corners = (float(x1 + left), float(y1 + top), float(x2 + left), float(y2 + top))
    return Shape(corners, bitmap=Bitmap(left, top, pixels))


def geometry(shapes: Sequence[Shape], size: ImageSize | None) -> dict[str, Any]:
    """Return ``bbox`` and, unless all shapes are boxes, ``segmentation`` of an object of one or several shapes.

    Args:
        shapes: its parts.
        size: the size of the image, which bitmaps need.
    """
    lefts, tops, rights, bottoms = zip(*(shape.corners for shape in shapes), strict=True)
    x, y = min(lefts), min(tops)
    result: dict[str, Any] = {'bbox': [x, y, max(rights) - x, max(bottoms) - y]}
    polygons = [shape.polygon for shape in shapes if shape.polygon is not None]
    bitmaps = [shape.bitmap for shape in shapes if shape.bitmap is not None]
    edges = (x, y, max(rights), max(bottoms))
    if bitmaps and size is not None and not (polygons and is_far(edges, size)):
        result['segmentation'] = _run_lengths(polygons, bitmaps, size)
    elif polygons:
        result['segmentation'] = polygons
    return result


def _run_lengths(polygons: list[list[float]], bitmaps: list[Bitmap], size: ImageSize) -> dict[str, Any]:
    """Draw polygons and bitmaps as one mask."""
    pixels = np.zeros(size, np.uint8, order='F')
    for left, top, part in bitmaps:
        x, y = max(left, 0), max(top, 0)
        inside = part[y - top : max(size.height - top, 0), x - left : max(size.width - left, 0)]
        pixels[y : y + inside.shape[0], x : x + inside.shape[1]] |= inside
    mask = rle.merge([rle.encode(pixels), *(rle.frPyObjects(polygons, *size) if polygons else [])])
    return {'size': list(size), 'counts': mask['counts'].decode()}
