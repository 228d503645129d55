"""How images were prepared for the network that weights were trained in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
IMAGENET_STD: Final = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Preprocessing:
    """How images were prepared for the network that weights were trained in.

    Attributes:
        mean, std: of each channel, RGB, of values from 0 to 1.
        input_size: height and width in evaluation, in pixels, or None if unknown.
        crop_ratio: share of the resized image's shorter side that the crop keeps in evaluation, in (0, 1], or None.
        interpolation: a name of timm's, such as ``'bicubic'``, or None.
        crop_mode: timm's ``'center'``, ``'squash'`` or ``'border'``, or None.
        source: the file or format that tells it, for messages.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    input_size: tuple[int, int] | None = None
    crop_ratio: float | None = None
    interpolation: str | None = None
    crop_mode: str | None = None
    source: str = ''


def find_preprocessing(path: Path, source: str, meta: Mapping[str, Any]) -> Preprocessing | None:
    """Find how images were prepared for the network of some weights.

    Args:
        path: the weights file; its folder may have files that tell it.
        source: format of the weights, as in :class:`~.formats.ConvertedWeights`.
        meta: the checkpoint's metadata.

    Returns:
        None if nothing tells it.
    """
    return None
