"""Shapes of LabelMe files."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..text import quoted
from .bitmaps import decode_png
from .shapes import Point, Shape, Unreadable, bitmap, box, ellipse, polygon, read_points

NO_OBJECTS = ('point', 'points', 'line', 'linestrip')
"""Shapes that have no area, and so neither a box nor a mask."""
POLYGONS = ('polygon', 'rotation', 'oriented_rectangle', 'quadrilateral', '')
"""Shapes whose points are corners, some of them of X-AnyLabeling or of later versions."""
ALIGNED = 1.0
"""Pixels by which the four corners of a rectangle may be off from one that is not rotated."""


def read_shape(kind: str, value: dict[str, Any]) -> Shape:
    """Read a shape, an item of ``shapes``.

    Args:
        kind: its ``shape_type``, none of :data:`NO_OBJECTS`.
        value: the shape.

    Raises:
        Unreadable: if it is none that can be read.
    """
    points = read_points(value.get('points'))
    if kind in POLYGONS:
        return polygon(points)
    if kind == 'rectangle':
        return _rectangle(points)
    if kind == 'circle':
        if len(points) != 2:
            raise Unreadable(f'circle of {len(points)} points rather than 2')
        (x, y), edge = points
        radius = math.dist((x, y), edge)
        return ellipse(x, y, radius, radius)
    if kind == 'mask':
        if not points:
            raise Unreadable('mask without points')
        (x, y), *_ = points
        return bitmap(round(x), round(y), _decode(value.get('mask')))
    raise Unreadable(f'unknown shape_type {quoted(kind)}')


def _rectangle(points: Sequence[Point]) -> Shape:
    """Read a rectangle of two opposite corners, or of all four, which may be rotated."""
    if len(points) not in (2, 4):
        raise Unreadable(f'rectangle of {len(points)} points')
    xs, ys = zip(*points, strict=True)
    edges = min(xs), min(ys), max(xs), max(ys)
    rectangle = box(*edges)
    corners = [(x, y) for x in edges[::2] for y in edges[1::2]]
    is_aligned = all(any(math.dist(corner, point) <= ALIGNED for point in points) for corner in corners)
    return rectangle if len(points) == 2 or is_aligned else polygon(points)


def _decode(text: Any) -> np.ndarray:
    """Decode the pixels of a mask, a PNG file in base64."""
    try:
        content = base64.b64decode(text)
    except (binascii.Error, TypeError, ValueError):
        raise Unreadable('mask that is no PNG image') from None
    return decode_png(content)
