"""Faster implementations of slow parts of timm's training transform, with the same random numbers.

Pixels may differ from Pillow's: by up to two levels in the crop and by one in RandAugment's shears and translations,
which later operations may amplify. (Rotations are left to Pillow, since the bicubic warps of OpenCV and torch have
another kernel.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image
from timm.data import auto_augment, transforms
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms import Compose, Normalize

from ...compat.timm_augment import replace_functions
from ...io.opening import DEFAULT_MAX_PIXELS


def replace_slow_parts(transform: Compose) -> Compose:
    """Replace slow parts of timm's transform by faster ones."""
    parts: list[Callable] = []
    for part in transform.transforms:
        if isinstance(part, transforms.RandomResizedCropAndInterpolation) and part.interpolation in Crop.MODES:
            part = Crop(part)
        elif isinstance(part, auto_augment.RandAugment):
            replace_functions(part, FASTER, Image.Resampling.BICUBIC)
        elif isinstance(part, Normalize) and isinstance(parts[-1], transforms.MaybeToTensor):
            parts.pop()
            part = ToNormalized(part)
        parts.append(part)
    return Compose(parts)


class Crop(transforms.RandomResizedCropAndInterpolation):
    """timm's random resized crop, resized by torch instead of Pillow."""

    MODES = (transforms.str_to_interp_mode('bilinear'), transforms.str_to_interp_mode('bicubic'))

    def __init__(self, crop: transforms.RandomResizedCropAndInterpolation) -> None:
        super().__init__(crop.size, crop.scale, crop.ratio, transforms.interp_mode_to_str(crop.interpolation))

    def __call__(self, image: Image.Image) -> Image.Image:
        top, left, height, width = self.get_params(image, self.scale, self.ratio)
        place = (left, top, left + width, top + height)
        is_large = width * height > DEFAULT_MAX_PIXELS  # which Pillow's crop refuses, and its resizing does not
        box = image.resize((width, height), Image.Resampling.NEAREST, place) if is_large else image.crop(place)
        pixels = torch.from_numpy(np.array(box))[None].permute(0, 3, 1, 2)  # channels_last has a faster kernel
        resized = F.interpolate(pixels, self.size, mode=self.interpolation.value, antialias=True)
        return Image.fromarray(resized[0].permute(1, 2, 0).numpy())


class ToNormalized:
    """timm's conversion to float32 (3, H, W) and normalization, by a lookup table for the 256 levels."""

    def __init__(self, normalize: Normalize) -> None:
        levels = torch.arange(256).float().div(255).expand(3, 1, 256)
        self.tables = normalize(levels).numpy()

    def __call__(self, image: Image.Image) -> Tensor:
        normalized = np.empty((3, image.height, image.width), np.float32)
        for channel, table, out in zip(cv2.split(np.asarray(image)), self.tables, normalized, strict=True):
            cv2.LUT(channel, table, dst=out)
        return torch.from_numpy(normalized)


def shear_x(image: Image.Image, factor: float, fillcolor: tuple[int, ...], **_: object) -> Image.Image:
    return _move_rows(image, factor * (np.arange(image.height) + 0.5), fillcolor)


def translate_x(image: Image.Image, pct: float, fillcolor: tuple[int, ...], **_: object) -> Image.Image:
    return _move_rows(image, np.full(image.height, pct * image.width), fillcolor)


def shear_y(image: Image.Image, *args: Any, **options: Any) -> Image.Image:
    return _transposed(shear_x(_transposed(image), *args, **options))


def translate_y(image: Image.Image, *args: Any, **options: Any) -> Image.Image:
    return _transposed(translate_x(_transposed(image), *args, **options))


def _transposed(image: Image.Image) -> Image.Image:
    return image.transpose(Image.Transpose.TRANSPOSE)


FASTER: dict[Callable[..., Image.Image], Callable[..., Image.Image]] = {
    auto_augment.shear_x: shear_x,
    auto_augment.shear_y: shear_y,
    auto_augment.translate_x_rel: translate_x,
    auto_augment.translate_y_rel: translate_y,
}


def _move_rows(image: Image.Image, distance: np.ndarray, fill: tuple[int, ...]) -> Image.Image:
    """Move the content of each row y by ``distance[y]`` pixels to the left, with Pillow's bicubic kernel (a = -1).

    As in Pillow, the image is extended by its edge for the interpolation, results are truncated to integers, and
    pixels whose source lies outside the image are filled.
    """
    height, width = image.height, image.width
    distance = distance.clip(-width, width)
    steps = np.floor(distance).astype(int)
    d = (distance - steps)[:, None]
    weights = np.hstack([-d * (1 - d) ** 2, 1 - 2 * d**2 + d**3, d + d**2 - d**3, -(d**2) * (1 - d)])

    left, right = max(1 - steps.min(), 0), max(steps.max() + 2, 0)
    wide = cv2.copyMakeBorder(np.asarray(image), 0, 0, left, right, cv2.BORDER_REPLICATE).reshape(height, -1)
    windows = sliding_window_view(wide, 3 * (width + 3), axis=1)
    rows = windows[np.arange(height), 3 * (left - 1 + steps)].astype(np.float32)
    taps = sliding_window_view(rows, 3 * width, axis=1)[:, ::3]
    values = np.einsum('yk,ykx->yx', weights.astype(np.float32), taps)
    values += 1e-3  # so that float32's rounding does not truncate an exact level to the one below
    moved = values.clip(0, 255, out=values).astype(np.uint8).reshape(height, width, 3)

    first = np.ceil(-distance - 0.5).astype(int)
    inside = sliding_window_view(np.repeat(np.array([0, 1, 0], np.uint8), width), width)[width - first]
    filled = np.empty((height, 3 * width), np.uint8)
    filled[:] = np.tile(np.array(fill, np.uint8), width)
    return Image.fromarray(cv2.copyTo(moved, inside, filled.reshape(moved.shape)))
