"""Transforms for classification: timm's for training, the official one for evaluation."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature

from PIL import Image
from torch import Tensor

from ...errors import UserError

WARP_FROM = 384  # pixels: from this resolution up, the official evaluation warps to a square without cropping


def train_transform(input_size: int, **options: object) -> Callable[[Image.Image], Tensor]:
    """Create timm's training transform with faster parts: random crop, flip, RandAugment, normalization and erasing.

    Args:
        input_size: side S of the square output, in pixels.
        options: further arguments of timm's ``create_transform``, such as ``auto_augment`` and ``re_prob``.

    Raises:
        UserError: for an option that timm does not have.
    """
    from timm.data import create_transform  # here, because timm takes seconds to import

    from .augment import replace_slow_parts

    unknown = sorted(options.keys() - signature(create_transform).parameters.keys())
    if unknown:
        raise UserError(
            f"transform has an option {unknown[0]!r} that timm's create_transform does not know: remove it"
        )
    return replace_slow_parts(create_transform(input_size, is_training=True, **options))


def eval_transform(input_size: int, crop_ratio: float = 0.875) -> Callable[[Image.Image], Tensor]:
    """Create the official transform for evaluation.

    Below 384 pixels it resizes the shorter side to S / crop_ratio and crops the center; from 384 pixels up it warps
    the image to the square without cropping.

    Args:
        input_size: side S of the square output, in pixels.
        crop_ratio: share of the shorter side that is kept, in (0, 1].
    """
    from timm.data import create_transform

    if input_size >= WARP_FROM:
        return create_transform(input_size, interpolation='bicubic', crop_mode='squash', crop_pct=1.0)
    return create_transform(input_size, interpolation='bicubic', crop_mode='center', crop_pct=crop_ratio)
