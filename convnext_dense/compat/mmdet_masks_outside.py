"""Let mmdet paste the masks of boxes that lie outside of their image. For mmdet 3.5.

Where a box is outside, as those of query heads with RoIs can be, ``FCNMaskHead`` fails on a CPU: it counts the image's
pixels from the box's first column to one that comes before. Such a mask has no pixel in the image.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from types import ModuleType
from typing import Any

from torch import Tensor


def paste_nothing_outside(module: ModuleType) -> None:
    """Change the function that pastes masks in mmdet's module ``fcn_mask_head``."""
    paste: Callable[..., Any] = module._do_paste_mask
    if hasattr(paste, '__wrapped__'):
        return

    @wraps(paste)
    def paste_inside(
        masks: Tensor, boxes: Tensor, img_h: int, img_w: int, skip_empty: bool = True
    ) -> tuple[Tensor, tuple[slice, ...]]:
        if skip_empty and len(boxes):
            first, last = boxes[:, :2].amin(0), boxes[:, 2:].amax(0)
            if first[0] - 1 >= img_w or first[1] - 1 >= img_h or last[0] + 1 <= 0 or last[1] + 1 <= 0:
                return masks.new_zeros(len(masks), 0, 0, dtype=boxes.dtype), (slice(0, 0), slice(0, 0))
        return paste(masks, boxes, img_h, img_w, skip_empty)

    module._do_paste_mask = paste_inside  # type: ignore[attr-defined]
