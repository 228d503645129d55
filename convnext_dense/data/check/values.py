"""Find images whose values are near-constant, clipped or scaled, and images that the network enlarges."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ...io.image_size import TOTAL_STRIDE, ImageSize
from ...io.images import ImageValues
from ...io.value_range import BITS_8, likely_range
from ..text import count_of
from .records import NOTE, PROBLEM, WARNING, Finding

NEAR_CONSTANT = 16
"""Levels, of 255, by which an image's largest and smallest value differ at most: those of 12 bits stored in 16."""
DARK = 64
"""Levels: images of 16 bits that all end there use only a quarter of their range, as 14 bits stored in 16."""
MANY = 0.5
"""Share of the images above which near-constant images of 8 bits are a problem: a few are blank pages."""
CLIPPED_WHITE, CLIPPED = 0.5, 0.9
"""Shares of an image's values from which it is clipped: above the range, and outside of it. A dark background below
the range is usual where a window of the values is chosen."""
ENLARGED = 1.5
"""Factor of an enlargement from which it is said."""


def find_value_faults(
    split: str, measured: Sequence[tuple[str, ImageValues]], has_bands: bool = False
) -> Iterable[Finding]:
    """Find images that are near-constant or clipped as the network sees them, and name the range that fixes them.

    Args:
        split: the split's name.
        measured: path and values of each image that could be decoded.
        has_bands: the task can take the values as they are stored, which fixes the same faults.

    Returns:
        A finding for each kind of fault, and one for each kind of images of more than 8 bits that are scaled.
    """
    deep = [(path, values) for path, values in measured if values.depth != '8-bit']
    dark = bool(deep) and max(values.levels[1] for _, values in deep) <= DARK
    flat = [path for path, v in measured if _is_near_constant(v)]
    many_flat = len(flat) > MANY * len(measured)
    groups: dict[tuple[str, str, str], list[tuple[str, ImageValues]]] = {}
    for path, values in measured:
        if values.above > CLIPPED_WHITE or values.outside > CLIPPED:
            kind = 'clipped'
        elif _is_near_constant(values) and (values.depth != '8-bit' or many_flat):
            kind = 'near-constant'
        elif dark and values.depth == '16-bit' and values.black_to_white == (0, 65535):
            kind = 'dark'
        elif values.depth != '8-bit' or values.black_to_white != BITS_8:
            kind = 'scaled'
        else:
            continue
        groups.setdefault((kind, values.depth, str(values.black_to_white)), []).append((path, values))
    for (kind, depth, chosen), images in groups.items():
        paths = [path for path, _ in images]
        low, high = min(v.low for _, v in images), max(v.high for _, v in images)
        levels = f'{min(v.levels[0] for _, v in images)} to {max(v.levels[1] for _, v in images)}'
        whose = f'{count_of(paths, f"{depth} image")} of {len(measured)}'
        values_are = f'values of {low:g} to {high:g}'
        own = likely_range((low, high), float if depth == 'float' else int)
        fix = f'say which value is black and which is white: --value-range {own.low:g} {own.high:g}'
        fix += '; or take the values as stored: --bands all' if has_bands else ''
        items = [f'{path} ({v.low:g} to {v.high:g})' for path, v in images]
        if kind == 'scaled':
            message = f'{whose}, in which {chosen} become the gray levels 0 to 255'
            yield Finding(NOTE, split, message, '', items, paths)
        elif kind == 'clipped':
            message = f'{whose} clipped: most of their {values_are} lie outside of {chosen}'
            yield Finding(PROBLEM, split, message, fix, items, paths)
        elif kind == 'dark':
            message = f'{whose} dark: their {values_are} become gray levels {levels} of 255'
            yield Finding(WARNING, split, message, fix, items, paths)
        else:
            spread = max(v.levels[1] - v.levels[0] for _, v in images)
            message = f'{whose} near-constant: of 255 gray levels, those of an image differ by {spread} at most'
            message += f' (values of {low:g} to {high:g})'
            yield Finding(PROBLEM, split, message, fix, items, paths)


def _is_near_constant(values: ImageValues) -> bool:
    """Whether all values become nearly the same level; a blank image does not count, which no range fixes."""
    return values.low < values.high and values.levels[1] - values.levels[0] <= NEAR_CONSTANT


def find_enlarged(split: str, sizes: Sequence[ImageSize], side: float | None, square: bool) -> Iterable[Finding]:
    """Find out whether the network's input enlarges most images, and name the size that does not.

    Args:
        split: the split's name.
        sizes: sizes of the images.
        side: the shorter side that images are resized to on average, in pixels; None if it is unknown.
        square: the network takes squares.
    """
    if not sizes or side is None:
        return
    size = ImageSize(*np.median(np.array(sizes), axis=0).astype(int).tolist())
    factor = side / max(min(size), 1)
    if factor < ENLARGED:
        return
    own = ImageSize(min(size), min(size)) if square else size
    own = ImageSize(*(max(length, TOTAL_STRIDE) for length in own))
    message = (
        f'images of {size} (height x width, the median of {len(sizes)}) are enlarged {factor:.1f} times, '
        f'to a shorter side of {side:.0f} pixels on average'
    )
    yield Finding(NOTE, split, message, f'--image-size {own.height} {own.width} takes them at about their own size')
