"""Images that are too thin to train a detector on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ...io.image_size import ImageSize


def is_too_thin(size: ImageSize, long_side: float | None, least_side: float) -> bool:
    """Whether an image is too thin once its long side is ``long_side`` pixels; never if that is None."""
    return long_side is not None and min(size) * long_side / max(size) < least_side


def resized_long_side(pipeline: Sequence[Any]) -> float | None:
    """Return the long side, in pixels, that a pipeline resizes thin images to; None if it does not resize.

    Of several branches and sizes it is the smallest one, since training meets all of them. A resize that does not keep
    the aspect ratio leaves no image thin.
    """
    return min((max(scale) for scale in _scales(pipeline)), default=None)


def _scales(part: Any) -> Iterator[Sequence[float]]:
    if isinstance(part, dict):
        if part.get('keep_ratio'):
            scale = part.get('scale')
            several = isinstance(scale, list | tuple) and isinstance(scale[0], list | tuple)
            sizes = [*(part.get('scales') or ()), *((scale or ()) if several else (scale,))]
            yield from (size for size in sizes if isinstance(size, list | tuple))
        yield from _scales(list(part.values()))
    elif isinstance(part, list | tuple):
        for item in part:
            yield from _scales(item)
