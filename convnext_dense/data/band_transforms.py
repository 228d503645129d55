"""Transforms for images of any number of bands, where those of mmdet, mmseg and mmcv take colors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from mmcv.transforms import BaseTransform

from ..registry import TRANSFORMS


class AroundFill(BaseTransform):
    """Transform that runs another one on the distances from a value of each band, where it fills with zero.

    What lies outside of the image, or is cut out, then gets that value of each band, the mean of the data, which the
    network sees as zero. OpenCV fills with one number, or with up to four. It is registered under the names of
    :data:`FILLED`, so that a pipeline's steps keep them.

    Args:
        around: full name of the transform, which fills with zero.
        fill: the value of each of the C bands; one number for all of them.
        settings: the settings of the transform.
    """

    def __init__(self, around: str, fill: Sequence[float] | float = 0.0, **settings: Any) -> None:
        self.inner: Any = TRANSFORMS.build(dict(type=around, **settings))
        self.fill = np.asarray(fill, np.float32)

    def transform(self, results: dict) -> dict | None:
        fill = self.fill if results['img'].ndim == 3 else self.fill.reshape(-1)[0]
        results['img'] = results['img'] - fill
        changed: dict | None = self.inner(results)
        if changed is not None:
            changed['img'] = changed['img'] + fill
        return changed


FILLED: Final[Mapping[str, tuple[str, Any]]] = {
    'CutOut': ('fill_in', 0.0),
    'Expand': ('mean', (0.0,)),
    'Pad': ('pad_val', dict(img=0.0, seg=255)),
    'RandomAffine': ('border_val', (0, 0, 0)),
    'RandomCutOut': ('fill_in', 0.0),
    'RandomRotate': ('pad_val', 0),
    'Rotate': ('img_border_value', 0),
}
"""Transforms that fill parts of an image: the setting of what they fill with, and its value for zero."""
for _name in FILLED:
    TRANSFORMS.register_module(name=_name, module=AroundFill)


def in_threes(image: np.ndarray) -> list[np.ndarray]:
    """Split an image (H, W, C) into parts of three channels, the last one filled up with its own last channel."""
    channels = image.shape[2]
    places = [[min(first + offset, channels - 1) for offset in range(3)] for first in range(0, channels, 3)]
    return [np.ascontiguousarray(image[..., one]) for one in places]


def join_threes(parts: Sequence[np.ndarray], channels: int) -> np.ndarray:
    """Join the parts of :func:`in_threes`."""
    return np.ascontiguousarray(np.concatenate(parts, axis=2)[..., :channels])
