"""The image that a result is drawn on, and the files that drawings are written to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import UserError
from ..io.files import whole
from ..io.images import read_rgb


def image_to_draw_on(path: str | None, image: np.ndarray | None, size: Sequence[int] | None = None) -> np.ndarray:
    """The image that was handed over, or else that of the path; uint8 (H, W, 3), RGB.

    Args:
        size: height and width that it must have; None for any.

    Raises:
        UserError: if there is none, it can't be read, or is of another size.
    """
    if image is None:
        if path is None:
            raise UserError('the result comes from no file: hand over the image to draw on')
        image = read_rgb(path)
    if size is not None and tuple(size) != image.shape[:2]:
        raise UserError(
            f'{path}: the image is {image.shape[1]} x {image.shape[0]}, the result is for {size[1]} x {size[0]}: '
            'draw on the image that it was made from'
        )
    return image


def save_drawing(drawn: np.ndarray, out: str | Path | None) -> np.ndarray:
    """Write a drawing, uint8 (H, W, 3) in RGB, unless ``out`` is None; returns it.

    Raises:
        UserError: if it can't be written.
    """
    if out is not None:
        save_image(Image.fromarray(drawn), out)
    return drawn


def save_image(image: Image.Image, out: str | Path) -> None:
    """Write an image atomically, in the format of the suffix.

    Raises:
        UserError: if it can't be written, or no format has this suffix.
    """
    try:
        with whole(out) as temporary:
            image.save(temporary, quality=95, subsampling=0)  # JPEG: text and thin lines stay sharp
    except (OSError, ValueError) as error:  # ValueError: no format has this suffix
        reason = getattr(error, 'strerror', None) or error
        raise UserError(f'{out} cannot be written ({reason}): choose another place or name') from None
