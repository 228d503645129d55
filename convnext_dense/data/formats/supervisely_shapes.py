"""Shapes of Supervisely's objects: rectangles, polygons with holes, and bitmaps.

Numbers without a fraction are pixels rather than positions: Supervisely rounds all but the right and lower edge of
rectangles down, and counts the last pixel of these as a part (developer.supervisely.com, "Coordinate system").
Positions with a fraction are taken as they are.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pycocotools import mask as rle

from ...io.image_size import ImageSize
from ..text import quoted
from . import shapes
from .bitmaps import MOST_PIXELS, decode_png
from .shapes import Point, Shape, Unreadable
from .values import read_integer

WITHOUT_AREA = ('point', 'line', 'polyline', 'graph', 'cuboid', 'cuboid_2d')
"""Shapes that are neither boxes nor masks."""


def kind_of(value: Mapping[str, Any]) -> str:
    """Return the shape of an object; files before 2019 have no ``geometryType``, and call it ``type`` if at all."""
    kind = value.get('geometryType') or value.get('type')
    if isinstance(kind, str):
        return kind
    return 'bitmap' if value.get('bitmap') else 'polygon'


def read_shape(value: Mapping[str, Any], size: ImageSize | None) -> Shape:
    """Read the shape of an object.

    Args:
        value: the object.
        size: the size of its image, which polygons with holes need.

    Raises:
        Unreadable: if it can't be read.
    """
    kind = kind_of(value)
    if kind in ('bitmap', 'alpha_mask'):
        return _read_bitmap(value.get(kind))
    if kind not in ('rectangle', 'polygon'):
        raise Unreadable(f'shape {quoted(kind)}, which is not known')
    points = value.get('points')
    if not isinstance(points, dict):
        raise Unreadable('shape without points')
    exterior = shapes.read_points(points.get('exterior'))
    interior = points.get('interior') or []
    if not isinstance(interior, list):
        raise Unreadable('holes that are no list of polygons')
    holes = [shapes.read_points(hole) for hole in interior]
    are_pixels = all(number == int(number) for point in exterior for number in point)
    if kind == 'rectangle':
        if len(exterior) != 2:
            raise Unreadable(f'rectangle of {len(exterior)} points')
        (x1, y1), (x2, y2) = exterior
        last = 1 if are_pixels else 0
        return shapes.box(min(x1, x2), min(y1, y2), max(x1, x2) + last, max(y1, y2) + last)
    shift = 0.5 if are_pixels else 0.0  # the middle of a pixel
    outline, *inside = ([(x + shift, y + shift) for x, y in ring] for ring in (exterior, *holes))
    whole = shapes.polygon(outline)
    inside = [ring for ring in inside if len(ring) >= 3]
    return whole if not inside or size is None else _without_holes(outline, inside, size)


def _without_holes(outline: Sequence[Point], holes: Sequence[Sequence[Point]], size: ImageSize) -> Shape:
    pixels, *others = (_draw(ring, size) for ring in (outline, *holes))
    for hole in others:
        pixels &= ~hole
    return shapes.bitmap(0, 0, pixels)


def _draw(ring: Sequence[Point], size: ImageSize) -> np.ndarray:
    if shapes.is_far(shapes.polygon(ring).corners, size):
        raise Unreadable('polygon far outside its image')
    numbers = [number for point in ring for number in point]
    return rle.decode(rle.merge(rle.frPyObjects([numbers], *size))).astype(bool)


def _read_bitmap(value: Any) -> Shape:
    """Read a PNG file, compressed by zlib and in base64, and the pixel of the image where it begins."""
    origin = value.get('origin') if isinstance(value, dict) else None
    data = value.get('data') if isinstance(value, dict) else None
    if not isinstance(origin, list) or len(origin) != 2 or not isinstance(data, str):
        raise Unreadable('bitmap without data and origin')
    left, top = map(read_integer, origin)
    if left is None or top is None or max(abs(left), abs(top)) > shapes.LARGEST:
        raise Unreadable('bitmap whose origin is no pixel')
    return shapes.bitmap(left, top, _decode(data))


def _decode(data: str) -> np.ndarray:
    try:
        content = zlib.decompressobj().decompress(base64.b64decode(data, validate=True), MOST_PIXELS)
    except (binascii.Error, zlib.error, ValueError):
        raise Unreadable('bitmap that is no zlib file in base64') from None
    return decode_png(content)
