"""A clear error for an image that no anchor of a detector fits into."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..errors import UserError


@contextmanager
def explain_thin_images(batch: Mapping[str, Any]) -> Iterator[None]:
    """Context that converts mmdet's error for an image without a valid anchor to a UserError that names the image.

    Args:
        batch: the batch, with ``paths`` and ``data_samples``.

    Raises:
        UserError: instead of mmdet's error.
    """
    try:
        yield
    except ValueError as error:
        if 'no valid anchor' not in str(error):
            raise
        shapes = [tuple(sample.img_shape[:2]) for sample in batch['data_samples']]
        thinnest = min(range(len(shapes)), key=lambda i: min(shapes[i]))
        height, width = shapes[thinnest]
        raise UserError(
            f'bad image {batch["paths"][thinnest]}: resized to {height} x {width}, height x width, it is thinner than '
            "any of the detector's anchors: cut it into parts or remove it, or allow anchors that reach over its "
            'border with --cfg-options model.train_cfg.rpn.allowed_border=-1 (model.train_cfg.allowed_border for a '
            'detector of one stage)'
        ) from error
