"""Read the XML file of an image in Pascal VOC's format."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

from ...errors import UserError
from ...io.image_size import ImageSize
from .values import read_flag, read_integer, read_number
from .xml_files import Element, read_xml

CORNERS = ('xmin', 'ymin', 'xmax', 'ymax')
LEAST_NUMBERS = 6
"""Numbers of a polygon of three points."""
POINT = re.compile(r'([xy])([0-9]+)')


class VocObject(NamedTuple):
    """An ``object`` of a file."""

    spot: str
    """Its path in the file, such as ``'object[3]'``."""
    name: str
    corners: tuple[float, float, float, float] | None
    """Left, top, right and bottom as written; None if there are no such four numbers."""
    polygons: list[list[float]]
    """Polygons, x and y in turn, as written."""
    fault: str = ''
    """The reason why there is no box."""
    is_difficult: bool = False
    is_deleted: bool = False
    """Deleted in the tool that wrote it, which keeps it in the file."""
    has_parts: bool = False
    """With parts of its body or actions."""
    has_odd_flag: bool = False
    """``difficult`` is neither 0 nor 1."""

    @property
    def usable_polygons(self) -> list[list[float]]:
        """Polygons beside a box, or of three points or more."""
        return [one for one in self.polygons if self.corners is not None or len(one) >= LEAST_NUMBERS]


class VocFile(NamedTuple):
    """The content of a file."""

    filename: str
    """Name of the image; empty if there is none."""
    size: ImageSize | None
    """Size of the image; None if there is none, or one of zero."""
    database: str
    """Name of the data set, or of the tool; empty if there is none."""
    objects: list[VocObject]

    @property
    def names(self) -> list[str]:
        """Class of each object that is not deleted."""
        return [one.name for one in self.objects if not one.is_deleted]


def read_voc(content: bytes, path: str) -> VocFile:
    """Read a file.

    Args:
        content: the file.
        path: its path, for messages.

    Raises:
        UserError: if it is not an annotation of an image, or an object has no name.
    """
    root = read_xml(content, path)
    if root.tag != 'annotation':
        raise UserError(f"{path} is not in Pascal VOC's format: its root is <{root.tag[:40]}>, not <annotation>")
    height, width = (
        read_integer(root.text_at('size', side) or root.text_at('imagesize', other))
        for side, other in (('height', 'nrows'), ('width', 'ncols'))
    )
    size = ImageSize(height, width) if height and width and height > 0 and width > 0 else None
    elements = list(root.find_all('object'))
    if len(elements) < sum(element.tag == 'object' for element in root.below()):
        raise UserError(f'{path} has an <object> that is not directly in <annotation>: move it there, or remove it')
    objects = [_read_object(one, n, path) for n, one in enumerate(elements, 1)]
    return VocFile(root.text_at('filename'), size, root.text_at('source', 'database'), objects)


def _read_object(element: Element, number: int, path: str) -> VocObject:
    spot = f'object[{number}]'
    name = element.text_at('name')
    is_deleted = read_flag(element.text_at('deleted')) == 1
    if not name and not is_deleted:
        raise UserError(f'{path}: {spot} has no name: write its class')
    corners, fault = _read_corners(element)
    polygons = [_read_polygon(one) for one in element.find_all('polygon')]
    flag = read_flag(element.text_at('difficult') or '0')
    has_parts = any(child.tag in ('part', 'actions') for child in element.children)
    return VocObject(spot, name, corners, polygons, fault, flag == 1, is_deleted, has_parts, flag is None)


def _read_corners(element: Element) -> tuple[tuple[float, float, float, float] | None, str]:
    boxes = list(element.find_all('bndbox'))
    if len(boxes) != 1:
        if not boxes and any(element.find_all('robndbox')):
            return None, 'a rotated box (robndbox), which is not read'
        return None, 'several boxes (bndbox) in an object' if boxes else 'no box (bndbox)'
    for key in CORNERS:
        if len(list(boxes[0].find_all(key))) != 1:
            return None, f'not one {key} in its bndbox'
    numbers = [read_number(boxes[0].text_at(key)) for key in CORNERS]
    xmin, ymin, xmax, ymax = (math.nan if number is None else number for number in numbers)
    if None in numbers:
        return None, f'{CORNERS[numbers.index(None)]} is not a number'
    exchanged = [name for name, is_so in (('xmin and xmax', xmin > xmax), ('ymin and ymax', ymin > ymax)) if is_so]
    if exchanged:
        return (xmin, ymin, xmax, ymax), f'{", and ".join(exchanged)} exchanged'
    return (xmin, ymin, xmax, ymax), ''


def _read_polygon(element: Element) -> list[float]:
    """Read a polygon, of points ``pt`` or of ``x1``, ``y1`` and so on; empty if that is not possible."""
    numbers = [read_number(text) for text in _coordinates(element)]
    polygon = [number for number in numbers if number is not None]
    return polygon if len(polygon) == len(numbers) else []


def _coordinates(element: Element) -> Iterator[str]:
    points = list(element.find_all('pt'))
    for point in points:
        yield from (point.text_at('x'), point.text_at('y'))
    if not points:
        found = {
            (int(m[2]), m[1]): one.text.strip() for one in element.children if (m := POINT.fullmatch(one.tag[:9]))
        }
        for number in sorted({number for number, _ in found}):
            yield from (found.get((number, side), '') for side in 'xy')
