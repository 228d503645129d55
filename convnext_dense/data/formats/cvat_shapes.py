"""Shapes of CVAT's XML files."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from .bitmaps import MOST_PIXELS
from .shapes import LARGEST, Shape, Unreadable, bitmap, box, ellipse, polygon, read_numbers, rotated_box
from .values import read_flag, read_integer
from .xml_files import Element

SHAPES = ('box', 'polygon', 'ellipse', 'mask')
"""Elements of objects with a box or a mask; others that have a label are points, lines, skeletons, cuboids, tags."""


def read_shape(element: Element) -> Shape:
    """Read an element of one of :data:`SHAPES`.

    Raises:
        Unreadable: if it has other attributes than CVAT writes.
    """
    attributes = element.attributes
    if element.tag == 'polygon':
        return polygon(_points(attributes.get('points', '')))
    if element.tag == 'mask':
        return _mask(attributes)
    (degrees,) = read_numbers([attributes.get('rotation', 0)], 'rotation')
    names = ('xtl', 'ytl', 'xbr', 'ybr') if element.tag == 'box' else ('cx', 'cy', 'rx', 'ry')
    one, two, three, four = read_numbers([attributes.get(name) for name in names], ', '.join(names))
    if element.tag == 'ellipse':
        return ellipse(one, two, three, four, math.radians(degrees))
    return rotated_box(one, two, three, four, math.radians(degrees)) if degrees % 360 else box(one, two, three, four)


def is_crowd(element: Element) -> bool:
    """Check whether an object has the attribute ``is_crowd``, which CVAT's export to COCO knows."""
    values = (child.text for child in element.find_all('attribute') if child.attributes.get('name') == 'is_crowd')
    return any(read_flag(value) for value in values)


def _points(text: str) -> list[tuple[float, float]]:
    pairs = [pair.split(',') for pair in text.split(';')] if text.strip() else []
    if not all(len(pair) == 2 for pair in pairs):
        raise Unreadable('points that are not x,y;x,y and so on')
    numbers = read_numbers([number for pair in pairs for number in pair], 'points')
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def _mask(attributes: Mapping[str, str]) -> Shape:
    """Read a mask: lengths of runs of 0 and 1 in turn, row by row, zeros first."""
    sides = [read_integer(attributes.get(name)) for name in ('left', 'top', 'width', 'height')]
    if any(side is None or abs(side) > LARGEST for side in sides):
        raise Unreadable('mask whose left, top, width or height is no integer')
    left, top, width, height = (side or 0 for side in sides)
    if width <= 0 or height <= 0 or width * height > MOST_PIXELS:
        raise Unreadable(f'mask of {height} x {width} pixels')
    lengths = [read_integer(length) for length in attributes.get('rle', '').split(',')]
    runs = [length for length in lengths if length is not None and length >= 0]
    if len(runs) < len(lengths) or sum(runs) != width * height:
        raise Unreadable('broken RLE')
    pixels = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return bitmap(left, top, pixels.reshape(height, width))
