"""timm's training transform with its slow parts done faster, on the same random numbers.

What is drawn and in which order is timm's; some pixels are computed elsewhere than in Pillow: the crop's are within
two levels of Pillow's, those of RandAugment's shears and translations within one, which later operations may amplify.
(OpenCV's and torch's bicubic warps have another kernel than Pillow's, so that rotations stay with Pillow.)
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


def faster(transform: Compose) -> Compose:
    """timm's transform with faster parts in the place of those that there are faster ones for."""
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
    """timm's random resized crop, resized by torch: here and there it is a level or two off Pillow's."""

    MODES = (transforms.str_to_interp_mode('bilinear'), transforms.str_to_interp_mode('bicubic'))

    def __init__(self, crop: transforms.RandomResizedCropAndInterpolation) -> None:
        super().__init__(crop.size, crop.scale, crop.ratio, transforms.interp_mode_to_str(crop.interpolation))

    def __call__(self, image: Image.Image) -> Image.Image:
        top, left, height, width = self.get_params(image, self.scale, self.ratio)
        box = image.crop((left, top, left + width, top + height))
        pixels = torch.from_numpy(np.array(box))[None].permute(0, 3, 1, 2)  # channels_last has a kernel of its own
        resized = F.interpolate(pixels, self.size, mode=self.interpolation.value, antialias=True)
        return Image.fromarray(resized[0].permute(1, 2, 0).numpy())


class ToNormalized:
    """An image as normalized float32 (3, H, W): what timm's two steps make of each of the 256 levels, looked up."""

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
    """Let pixel (x, y) show what was at (x + ``distance[y]``, y), by Pillow's bicubic interpolation, whose a is -1.

    As in Pillow, the image's edge goes on beyond it for the interpolation, results are cut to whole levels, and what
    shows a place outside is filled.
    """
    height, width = image.height, image.width
    distance = distance.clip(-width, width)
    whole = np.floor(distance).astype(int)
    d = (distance - whole)[:, None]
    weights = np.hstack([-d * (1 - d) ** 2, 1 - 2 * d**2 + d**3, d + d**2 - d**3, -(d**2) * (1 - d)])

    left, right = max(1 - whole.min(), 0), max(whole.max() + 2, 0)
    wide = cv2.copyMakeBorder(np.asarray(image), 0, 0, left, right, cv2.BORDER_REPLICATE).reshape(height, -1)
    windows = sliding_window_view(wide, 3 * (width + 3), axis=1)
    rows = windows[np.arange(height), 3 * (left - 1 + whole)].astype(np.float32)
    taps = sliding_window_view(rows, 3 * width, axis=1)[:, ::3]
    values = np.einsum('yk,ykx->yx', weights.astype(np.float32), taps)
    values += 1e-3  # against float32's rounding, where the value is a whole level
    moved = values.clip(0, 255, out=values).astype(np.uint8).reshape(height, width, 3)

    first = np.ceil(-distance - 0.5).astype(int)
    inside = sliding_window_view(np.repeat(np.array([0, 1, 0], np.uint8), width), width)[width - first]
    filled = np.empty((height, 3 * width), np.uint8)
    filled[:] = np.tile(np.array(fill, np.uint8), width)
    return Image.fromarray(cv2.copyTo(moved, inside, filled.reshape(moved.shape)))
