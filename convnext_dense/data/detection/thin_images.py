"""Images that are too thin to train a detector on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ...io.image_size import ImageSize

LEAST_SIDE = 24
"""Pixels after resizing. The smallest anchors of the recipes are 32 x 32, and 23 x 45 at a ratio of 2: none is inside
a thinner image, for which mmdet raises an error."""


def is_too_thin(size: ImageSize, longest: float | None) -> bool:
    """Whether an image is too thin once its long side is ``longest`` pixels; never if that is None."""
    return longest is not None and min(size) * longest / max(size) < LEAST_SIDE


def longest_side(pipeline: Sequence[Any]) -> float | None:
    """Return the longest side, in pixels, that a pipeline resizes images to; None if it does not resize."""
    return max((max(scale) for scale in _scales(pipeline)), default=None)


def _scales(part: Any) -> Iterator[Sequence[float]]:
    if isinstance(part, dict):
        for key, value in part.items():
            if key == 'scale' and isinstance(value, list | tuple):
                yield value
            elif key == 'scales' and isinstance(value, list | tuple):
                yield from (scale for scale in value if isinstance(scale, list | tuple))
            else:
                yield from _scales(value)
    elif isinstance(part, list | tuple):
        for item in part:
            yield from _scales(item)
