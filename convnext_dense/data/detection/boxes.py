"""Conventions of four numbers for a box: COCO's own, corners and centers, and telling which one a file has."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...io.image_size import ImageSize
from ..formats.values import read_number
from .options import for_each_data_set

Box = list[float]
"""[x, y, width, height] in pixels, x and y of the upper left corner."""
Corners = tuple[float, float, float, float]
"""Left, top, right and bottom edge in pixels."""

LARGEST = 1e300
"""Bound of the sum of four finite numbers; NaN, infinity and integers beyond it are looked at one by one."""
BORDER = 1.0
"""Pixels that a box may extend beyond its image, as some of COCO's own do."""
TOLERANCE = 2.0
"""Pixels that the edges of a box and its mask may differ by; beyond it, :data:`SLACK` of the longer side."""
SLACK = 0.05
MISFIT = 0.5
"""Share of boxes that must not fit their masks, or be inside their images, for the file to be refused."""
FIT = 0.8
"""Share of boxes that must fit their masks in another convention for it to be named."""
BEYOND = 0.1
"""Share of boxes beyond their images for which other conventions are tried in a file without masks."""
INSIDE = 0.99
"""Share of boxes that must be inside their images in another convention for it to be named."""


class BoxFormat(NamedTuple):
    """A convention of the four numbers."""

    description: str
    to_corners: Callable[[np.ndarray], np.ndarray]
    """Convert (N, 4) to left, top, right and bottom edges, (N, 4)."""


FORMATS: Mapping[str, BoxFormat] = {
    'xywh': BoxFormat('[x, y, width, height]', lambda b: np.hstack([b[:, :2], b[:, :2] + b[:, 2:]])),
    'xyxy': BoxFormat('corners [x1, y1, x2, y2]', lambda b: b),
    'cxcywh': BoxFormat(
        'centers [x, y, width, height]', lambda b: np.hstack([b[:, :2] - b[:, 2:] / 2, b[:, :2] + b[:, 2:] / 2])
    ),
}
"""Conventions by name; the first is COCO's."""


class BoxReading(NamedTuple):
    """The box of an annotation."""

    box: Box | None
    """[x, y, width, height], or None if there are no four finite numbers."""
    fault: str | None = None
    """The reason why there is none."""
    is_text: bool = False
    """True if a number was text."""


def read_box(value: Any, box_format: str = 'xywh') -> BoxReading:
    """Read four numbers in a convention, a name in :data:`FORMATS`, also from text."""
    if not value:
        return BoxReading(None, 'no box')
    if not isinstance(value, list) or len(value) != 4:
        return BoxReading(None, 'no box of four numbers')
    if box_format == 'xywh' and all(type(n) in (int, float) for n in value) and abs(sum(value)) < LARGEST:
        return BoxReading(value)
    numbers = [number for number in map(read_number, value) if number is not None]
    if len(numbers) < 4:
        is_float = all(type(number) in (int, float) for number in value)
        return BoxReading(None, 'box with NaN or infinity' if is_float else 'no box of four numbers')
    is_text = any(isinstance(number, str) for number in value)
    if box_format == 'xywh':
        return BoxReading(numbers if is_text else value, is_text=is_text)
    corners = FORMATS[box_format].to_corners(np.array([numbers], float))[0].tolist()
    return BoxReading(box_of_corners(corners), is_text=is_text)


def box_fault(box: Box, size: ImageSize) -> str | None:
    """Return the reason why nothing can be learned from a box, or None."""
    x, y, w, h = box
    if w < 0 or h < 0:
        return 'box of negative size'
    if w == 0 or h == 0:
        return 'box of zero area'
    if x >= size.width or y >= size.height or x + w <= 0 or y + h <= 0:
        return 'box outside its image'
    return None


def clip_box(box: Box, size: ImageSize) -> Box:
    """Clip a box that extends beyond its image by more than :data:`BORDER`; any other is returned as it is."""
    x, y, w, h = box
    height, width = size
    if x >= -BORDER and y >= -BORDER and x + w <= width + BORDER and y + h <= height + BORDER:
        return box
    left, top = max(x, 0), max(y, 0)
    return [left, top, min(x + w, width) - left, min(y + h, height) - top]


def box_of_corners(corners: Corners) -> Box:
    """Convert edges to [x, y, width, height]."""
    x1, y1, x2, y2 = corners
    return [x1, y1, x2 - x1, y2 - y1]


def corners_of_box(box: Box) -> Corners:
    """Convert [x, y, width, height] to edges."""
    x, y, w, h = box
    return x, y, x + w, y + h


def upright_box(box: Box) -> Box:
    """Return the same rectangle with positive width and height."""
    x1, y1, x2, y2 = corners_of_box(box)
    return [min(x1, x2), min(y1, y2), abs(x2 - x1), abs(y2 - y1)]


def overlap(a: Corners, b: Corners) -> float:
    """Return the intersection over union of two boxes, 0 if both are empty."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(width, 0) * max(height, 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common
    return common / union if union > 0 else 0.0


def same_corners(a: Corners, b: Corners) -> bool:
    """Check that two boxes are equal up to rounding."""
    return max(abs(m - n) for m, n in zip(a, b, strict=True)) <= TOLERANCE


def find_wrong_convention(
    values: Sequence[Box],
    extents: Sequence[Corners | None],
    sizes: Sequence[ImageSize],
    is_settable: bool = True,
) -> str | None:
    """Tell from the boxes of a file, their masks and images whether they are [x, y, width, height] in pixels.

    Boxes are compared with the extents of their masks; without masks, with the borders of their images.

    Args:
        values: the four numbers of each box, as in the file.
        extents: edges of the mask of each, or None if there is none.
        sizes: size of the image of each.
        is_settable: True for a format whose convention can be set, which is said then.

    Returns:
        What the boxes are rather, as a part of a sentence; None if nothing speaks against them.
    """
    boxes, pixels = np.array(values, float).reshape(-1, 4), np.array(sizes, float).reshape(-1, 2)
    edges = np.array([extent or [np.nan] * 4 for extent in extents], float).reshape(-1, 4)
    comparable = (boxes[:, 2:] > 0).all(axis=1)  # in any convention
    boxes, pixels, edges = boxes[comparable], pixels[comparable], edges[comparable]
    if not len(boxes):
        return None
    has_mask = ~np.isnan(edges[:, 0])
    masks = edges[has_mask]
    if np.mean(_are_fractions(boxes, pixels)) > MISFIT:
        return 'numbers between 0 and 1, fractions of the image: multiply them by its width and height'
    if has_mask.any():
        if np.mean(_are_fractions(masks, pixels[has_mask])) > MISFIT:
            return 'in pixels, and the masks are fractions of the image: multiply these by its width and height'
        share = {
            n: float(np.mean(_fit(f.to_corners(boxes[has_mask]), masks, pixels[has_mask]))) for n, f in FORMATS.items()
        }
        if share['xywh'] >= 1 - MISFIT:
            return _beyond(boxes, pixels)
        best = max(share, key=lambda name: share[name])
        if share[best] >= FIT:
            return _as_formats([best], 'of their masks', is_settable)
        return f'not around their masks: {1 - share["xywh"]:.0%} differ: correct the boxes or the masks'
    beyond = {name: float(np.mean(_are_beyond(f.to_corners(boxes), pixels))) for name, f in FORMATS.items()}
    others = [name for name, share in beyond.items() if name != 'xywh' and share <= 1 - INSIDE]
    if beyond['xywh'] > BEYOND and others:
        return _as_formats(others, f'since {beyond["xywh"]:.0%} would extend beyond their images', is_settable)
    return _beyond(boxes, pixels)


def _beyond(boxes: np.ndarray, pixels: np.ndarray) -> str | None:
    share = np.mean(_are_beyond(FORMATS['xywh'].to_corners(boxes), pixels))
    if share <= MISFIT:
        return None
    return f'not for these images: {share:.0%} extend beyond them: were the images resized after they were annotated?'


def _as_formats(names: Sequence[str], reason: str, is_settable: bool) -> str:
    kinds = ' or '.join(FORMATS[name].description for name in names)
    if not is_settable:
        return f'probably {kinds} {reason}: correct them'
    settings = ' or '.join(for_each_data_set(f'box_format={name}') for name in names)
    fix = f'convert them to [x, y, width, height], or if those of all splits are, give {settings}'
    return f'probably {kinds} {reason}: {fix}'


def _are_fractions(edges: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Find boxes or masks of which all numbers are in [0, 1], in images of more than a few pixels."""
    return ((edges >= 0) & (edges <= 1)).all(axis=1) & (pixels.min(axis=1) > math.ceil(2 * TOLERANCE))


def _fit(corners: np.ndarray, masks: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Find boxes around their masks, as far as both are in the image."""
    borders = pixels[:, [1, 0, 1, 0]]
    corners, masks = corners.clip(0, borders), masks.clip(0, borders)
    longer = (masks[:, 2:] - masks[:, :2]).max(axis=1)
    return np.abs(corners - masks).max(axis=1) <= TOLERANCE + SLACK * longer


def _are_beyond(corners: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Find boxes that extend beyond their images or have no area."""
    slack = BORDER + 0.01 * pixels
    height, width = (pixels + slack).T
    x1, y1, x2, y2 = corners.T
    inside = (x1 >= -slack[:, 1]) & (y1 >= -slack[:, 0]) & (x2 <= width) & (y2 <= height)
    return ~(inside & (x2 > x1) & (y2 > y1))
