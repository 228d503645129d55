"""The thinnest images that a detector's anchors allow in training, from the config of its model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

OVER_BORDER = 'allowed_border'
"""Key of a ``train_cfg``: pixels by which anchors may reach over the border of an image; all are used if negative."""


def least_side(model: Mapping[str, Any]) -> int:
    """Find the shortest side, in pixels, of an image that an anchor of a detector fits into.

    mmdet's heads stop at an image without such an anchor, unless their ``allowed_border`` is negative.

    Args:
        model: the config of the model.

    Returns:
        The side of an image as it enters the network; 0 if all images can be learned: anchors may reach over the
        border, or there are none.
    """
    borders = [border for border in _values(model, OVER_BORDER) if isinstance(border, int | float) and border >= 0]
    if not borders:
        return 0
    from mmengine.registry import TASK_UTILS

    sides = []
    for generator in map(TASK_UTILS.build, _values(model, 'anchor_generator')):
        for anchors, strides in zip(getattr(generator, 'base_anchors', ()), generator.strides, strict=True):
            for x1, y1, x2, y2 in anchors.tolist():
                sides += [_least(x1, x2, strides[0], min(borders)), _least(y1, y2, strides[1], min(borders))]
    return max(0, min(sides, default=0))


def _least(low: float, high: float, stride: float, border: float) -> int:
    """Return the shortest side into which one of the anchors from ``low`` to ``high`` at every ``stride`` fits."""
    shift = max(0, math.ceil((-border - low) / stride)) * stride
    return math.floor(shift + high - border) + 1


def _values(part: Any, key: str) -> Iterator[Any]:
    """Yield the values of a key anywhere in a part of a config."""
    if isinstance(part, Mapping):
        for name, value in part.items():
            if name == key:
                yield value
            else:
                yield from _values(value, key)
    elif isinstance(part, list | tuple):
        for item in part:
            yield from _values(item, key)
