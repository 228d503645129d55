"""The normalization of images of an adapted model: the one of the ImageNet weights of ConvNeXt."""

from __future__ import annotations

from typing import Any

from .notes import Notes

MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
"""Mean and standard deviation of red, green and blue on ImageNet, of levels from 0 to 255."""


def use_imagenet_levels(model: dict[str, Any], notes: Notes) -> None:
    """Have a model normalize images as the official ConvNeXt weights want it; all else of the preprocessor stays.

    Args:
        model: the model; it is changed.
        notes: get a line if the source normalizes them in another way.
    """
    part = model['data_preprocessor']
    mean, std, is_rgb = part.get('mean'), part.get('std'), bool(part.get('bgr_to_rgb'))
    known = [list(one) if one is not None else None for one in (mean, std)]
    part.pop('rgb_to_bgr', None)
    if known == [MEAN, STD] and is_rgb:
        return
    part.update(mean=MEAN, std=STD, bgr_to_rgb=True)
    order = 'RGB' if is_rgb else 'BGR'
    before = f'mean {known[0]} and std {known[1]} of {order}' if mean is not None else f'levels of 0 to 255 of {order}'
    notes.changed.append(f'data_preprocessor: RGB with mean and std of ImageNet, in the source {before}')
