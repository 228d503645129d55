"""Making the input of networks of mmdet and mmseg from the pixels of an image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from ..errors import BadImage, UserError
from ..io.image_size import TOTAL_STRIDE, ImageSize


class TooThin(BadImage):
    """Error for an image with a side that is too short for the network."""


def pack_image(
    transform: Callable[[dict], Any], image: np.ndarray, path: str | None, whole: ImageSize | None = None
) -> dict:
    """Run a pipeline without its loading steps on an image.

    Args:
        transform: the pipeline.
        image: uint8 (H, W, 3), RGB, or float32 (H, W, C) for networks of bands.
        path: the image's file, or None.
        whole: size of the image if this is a part of it.

    Returns:
        ``inputs``, (C, h, w), and ``data_samples``; with test-time augmentation, lists with those of each view.

    Raises:
        TooThin: if the image is too thin for the network.
        UserError: if a part of it is.
    """
    size = ImageSize.of(image)
    height, width = whole or size
    named = f'bad image {path or "array"}'
    too_thin: UserError = TooThin(f'{named} (height {height}, width {width}: too thin for the network)')
    if min(height, width) >= TOTAL_STRIDE and size != whole is not None:
        too_thin = UserError(
            f'tiles of {size} pixels are too small for the network in this pipeline: take larger ones'
        )
    # mmcv's transforms take BGR of 8 bits, or bands as they are
    pixels = np.ascontiguousarray(image[:, :, ::-1]) if image.dtype == np.uint8 else image
    try:
        packed = transform({'img': pixels, 'img_path': path, 'img_shape': tuple(size), 'ori_shape': tuple(size)})
    except cv2.error:
        raise too_thin from None
    views = packed['inputs'] if isinstance(packed['inputs'], list) else [packed['inputs']]
    if min(side for view in views for side in view.shape[1:]) < TOTAL_STRIDE:
        raise too_thin
    return packed
