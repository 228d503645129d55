"""Transforms for pre-training on bands of images as they are stored: crop, resize and flip, in float32."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...errors import UserError
from ...weights.preprocessing import WARP_FROM

INTERPOLATIONS = ('nearest', 'bilinear', 'bicubic')
FLIP = 0.5
"""Probability of a horizontal flip unless it is stated, as in timm."""


class BandTransform:
    """Transform of bands (H, W, C), float32, to a tensor (C, S, S) that is not normalized.

    Args:
        steps: transforms of torchvision for a tensor (C, H, W).

    Attributes:
        shown: three channels, from 0, that drawings of predictions show; empty if nothing is drawn.
    """

    def __init__(self, steps: Sequence[Any]) -> None:
        self.steps = steps
        self.shown: Sequence[int] = ()

    def __call__(self, image: np.ndarray) -> Tensor:
        bands = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
        for step in self.steps:
            bands = step(bands)
        return bands.contiguous()


def train_bands(
    input_size: int,
    scale: Sequence[float] = (0.08, 1.0),
    ratio: Sequence[float] = (3 / 4, 4 / 3),
    interpolation: str = 'bicubic',
    hflip: float = FLIP,
    vflip: float = 0.0,
) -> BandTransform:
    """Create a transform for training: a random crop that is resized, and flips.

    Args:
        input_size: side S of the square output, in pixels.
        scale: smallest and largest share of the image's area in a crop, in (0, 1].
        ratio: smallest and largest ratio of a crop's width to its height.
        interpolation: ``'nearest'``, ``'bilinear'`` or ``'bicubic'``; smaller images are smoothed.
        hflip, vflip: probabilities of a horizontal and a vertical flip.

    Raises:
        UserError: for another interpolation.
    """
    from torchvision.transforms import v2

    crop = v2.RandomResizedCrop(
        input_size, tuple(scale), tuple(ratio), _interpolation(interpolation), antialias=interpolation != 'nearest'
    )
    return BandTransform([crop, v2.RandomHorizontalFlip(hflip), v2.RandomVerticalFlip(vflip)])


def eval_bands(input_size: int, crop_ratio: float = 0.875, interpolation: str = 'bicubic') -> BandTransform:
    """Create a transform for evaluation, as :func:`~convnext_dense.data.classification.transforms.eval_transform`.

    Args:
        input_size: side S of the square output, in pixels. From 384 up images are warped to it rather than cropped.
        crop_ratio: share of the shorter side that is kept, in (0, 1].
        interpolation: see :func:`train_bands`.

    Raises:
        UserError: for another interpolation.
    """
    from torchvision.transforms import v2

    warps = input_size >= WARP_FROM
    size = [input_size, input_size] if warps else int(input_size / crop_ratio)
    resize = v2.Resize(size, _interpolation(interpolation), antialias=interpolation != 'nearest')
    return BandTransform([resize] if warps else [resize, v2.CenterCrop(input_size)])


def _interpolation(name: str) -> Any:
    from torchvision.transforms import InterpolationMode

    if name not in INTERPOLATIONS:
        raise UserError(f'transform has interpolation={name!r}, and bands take one of {", ".join(INTERPOLATIONS)}')
    return InterpolationMode(name)
