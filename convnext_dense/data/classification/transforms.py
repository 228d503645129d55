"""Transforms for classification: timm's for training, the official one for evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from ...errors import UserError
from ...weights.preprocessing import IMAGENET_MEAN, IMAGENET_STD, WARP_FROM, Preprocessing, check_normalization
from ...weights.published_preprocessing import BORDER, CENTER, CROP_MODES, INTERPOLATIONS, SQUASH, TRANSFORMERS

CHANNELS = 3  # images are RGB
INTERPOLATION = 'bicubic'
"""The interpolation of the recipes, and of the official evaluation."""


def train_transform(
    input_size: int, albumentations: Sequence[Mapping[str, Any]] = (), **options: object
) -> Callable[[Image.Image], Tensor]:
    """Create timm's training transform with faster parts: random crop, flip, RandAugment, normalization and erasing.

    Args:
        input_size: side S of the square output, in pixels.
        albumentations: configs of transforms of the library Albumentations, applied before the normalization; see
            :mod:`~convnext_dense.data.albumentations_step`. They must keep the size.
        options: further arguments of timm's ``create_transform``, such as ``auto_augment``, ``re_prob``, ``mean`` and
            ``std``.

    Raises:
        UserError: for an option that timm does not have, or a mean or std that can't be right.
    """
    from timm.data import create_transform  # here, because timm takes seconds to import

    from .augment import replace_slow_parts

    unknown = sorted(options.keys() - signature(create_transform).parameters.keys())
    if unknown:
        raise UserError(
            f"transform has an option {unknown[0]!r} that timm's create_transform does not know: remove it"
        )
    mean, std = options.get('mean', IMAGENET_MEAN), options.get('std', IMAGENET_STD)
    options['mean'], options['std'] = check_normalization(mean, std, CHANNELS, 'transform')
    transform = replace_slow_parts(create_transform(input_size, is_training=True, **options))
    if albumentations:
        transform.transforms.insert(_place_of_normalization(transform), AlbumentationsOfImage(albumentations))
    return transform


class AlbumentationsOfImage:
    """A pipeline of Albumentations for an image of Pillow, RGB.

    Args:
        transforms: configs of its transforms; see :class:`~convnext_dense.data.albumentations_step.Pipeline`.

    Raises:
        UserError: if a transform is unknown, or changes the size of an image.
    """

    def __init__(self, transforms: Sequence[Mapping[str, Any]]) -> None:
        from ..albumentations_step import Pipeline  # here, because it imports mmcv

        self.pipeline = Pipeline(transforms)

    def __call__(self, image: Image.Image) -> Image.Image:
        changed = self.pipeline(image=np.array(image))['image']
        if changed.shape != (image.height, image.width, CHANNELS):
            raise UserError(
                f'transform.albumentations made {changed.shape} of an image of {image.height} x {image.width}: leave '
                'out what changes the size or the channels, which input_size and scale say'
            )
        return Image.fromarray(changed)


def _place_of_normalization(transform: Any) -> int:
    """Return where in timm's transform an image becomes a tensor."""
    kinds = [type(part).__name__ for part in transform.transforms]
    return next(i for i, kind in enumerate(kinds) if kind in ('ToNormalized', 'MaybeToTensor', 'ToTensor'))


def eval_transform(
    input_size: int,
    crop_ratio: float = 0.875,
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
    interpolation: str = INTERPOLATION,
    crop_mode: str | None = None,
    border: int | None = None,
) -> Callable[[Image.Image], Tensor]:
    """Create a transform for evaluation, by default the official one.

    Below 384 pixels it resizes the shorter side to S / crop_ratio and crops the center; from 384 pixels up it warps
    the image to the square without cropping.

    Args:
        input_size: side S of the square output, in pixels.
        crop_ratio: share of the shorter side that is kept, in (0, 1].
        mean, std: of each channel, RGB, of values from 0 to 1.
        interpolation: a name of timm's, such as ``'bicubic'`` or ``'bilinear'``.
        crop_mode: None for the official rule above; ``'transformers'`` for the same with odd margins rounded down, as
            in transformers; ``'center'``, ``'squash'`` or ``'border'`` for timm's modes at any size, which crop the
            center, warp, or fill up to a square.
        border: level of the border in ``'border'``, 0 to 255; None for the mean.

    Raises:
        UserError: for a name that does not exist, or a mean or std that can't be right.
    """
    for name, value, known in (
        ('interpolation', interpolation, INTERPOLATIONS),
        ('crop_mode', crop_mode or CENTER, CROP_MODES),
    ):
        if value not in known:
            raise UserError(f'transform has {name}={value!r}: take one of {", ".join(known)}')
    if crop_mode in (None, TRANSFORMERS) and input_size >= WARP_FROM:
        crop_mode, crop_ratio = SQUASH, 1.0
    from timm.data import create_transform

    mean, std = check_normalization(mean, std, CHANNELS, 'transform')
    mode = CENTER if crop_mode in (None, TRANSFORMERS) else crop_mode
    transform = create_transform(
        input_size, interpolation=interpolation, crop_mode=mode, crop_pct=crop_ratio, mean=mean, std=std
    )
    if crop_mode == TRANSFORMERS:
        transform.transforms[1] = CenterCropDown(input_size)
    if crop_mode == BORDER and border is not None:
        transform.transforms[1].fill = border
    return transform


def split_at_normalization(transform: Any) -> tuple[Callable, Callable]:
    """Split a transform into the part that gives a Pillow image and the rest, which makes it a normalized tensor."""
    from torchvision.transforms import Compose

    steps = transform.transforms
    place = _place_of_normalization(transform)
    return Compose(steps[:place]), Compose(steps[place:])


def preprocessing_of(transform: Mapping[str, Any], training: bool) -> Preprocessing:
    """Describe what a transform does.

    Args:
        transform: arguments of :func:`train_transform` or, without ``training``, of :func:`eval_transform`.
        training: which of the two.

    Raises:
        UserError: if mean or std can't be right.
    """
    values = (transform.get('mean', IMAGENET_MEAN), transform.get('std', IMAGENET_STD))
    mean, std = check_normalization(*values, CHANNELS, 'transform')
    side = transform.get('input_size')
    size = (side, side) if isinstance(side, int) else None
    if training:
        return Preprocessing(mean, std, size, interpolation=transform.get('interpolation'))
    mode, ratio = transform.get('crop_mode'), transform.get('crop_ratio', 0.875)
    if mode is None:
        mode, ratio = (SQUASH, 1.0) if isinstance(side, int) and side >= WARP_FROM else (CENTER, ratio)
    interpolation = transform.get('interpolation', INTERPOLATION)
    return Preprocessing(mean, std, size, ratio, interpolation, mode, border=transform.get('border'))


def check_normalized_once(preprocessor: Mapping[str, Any] | None) -> None:
    """Check that a model's ``data_preprocessor`` leaves images as the transforms prepare them: normalized, RGB.

    Raises:
        UserError: if it changes them once more.
    """
    keys = [key for key in ('mean', 'std', 'bgr_to_rgb', 'rgb_to_bgr') if (preprocessor or {}).get(key)]
    if keys:
        raise UserError(
            f'model.data_preprocessor has {" and ".join(keys)}, and the transforms of the data sets normalize RGB '
            'images already: leave it out, and set mean and std of the transforms, such as with --mean and --std'
        )


class CenterCropDown:
    """Crop the center of an image that is not smaller, with odd margins rounded down as in transformers."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __call__(self, image: Image.Image) -> Image.Image:
        left, top = ((side - self.size) // 2 for side in image.size)
        return image.crop((left, top, left + self.size, top + self.size))
