"""Read the image that a result is drawn on, and write drawings to files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import UserError
from ..io.band_images import ShownBands
from ..io.files import atomic_write
from ..io.image_size import ImageSize
from ..io.images import read_rgb
from ..io.opening import AS_USUAL, Opening
from ..io.shrunk_image import read_shrunk, shrink
from ..io.value_range import ValueRange


def image_to_draw_on(
    path: str | None,
    image: np.ndarray | None,
    size: ImageSize | None = None,
    value_range: ValueRange | ShownBands | None = None,
    opening: Opening = AS_USUAL,
    factor: int = 1,
) -> np.ndarray:
    """Return the given image, or else read it from the path; uint8 (H, W, 3), RGB.

    Args:
        path: the image's file, or None.
        image: the image, or None to read it.
        size: expected size; None for any.
        value_range: the values that become black and white; see :func:`~convnext_dense.io.images.decode`.
        opening: how the file is opened.
        factor: whole number by which the image is shrunk; the given size is that before.

    Raises:
        UserError: if there is neither image nor path, the file can't be read, or the size differs.
    """
    if image is None:
        if path is None:
            raise UserError('the result has no file: pass the image to draw on')
        if factor > 1:
            pixels, own = read_shrunk(path, factor, value_range, opening)
        else:
            pixels = read_rgb(path, value_range=value_range, opening=opening)
            own = ImageSize.of(pixels)
    else:
        given, own = image, ImageSize.of(image)
        pixels = shrink(lambda window: given[window.slices], own, factor) if factor > 1 else image
    if size is not None and size != own:
        raise UserError(
            f'{path}: the image is {own} (height x width), the result is for {size}: '
            'draw on the image that was predicted'
        )
    return pixels


def save_drawing(drawn: np.ndarray, out: str | Path | None) -> np.ndarray:
    """Write a drawing, uint8 (H, W, 3), RGB, unless ``out`` is None, and return it.

    Raises:
        UserError: if the file can't be written.
    """
    if out is not None:
        save_image(Image.fromarray(drawn), out)
    return drawn


def save_image(image: Image.Image, out: str | Path) -> None:
    """Write an image atomically, in the format of the file's suffix.

    Raises:
        UserError: if the file can't be written, or no format has this suffix.
    """
    try:
        with atomic_write(out) as temporary:
            image.save(temporary, quality=95, subsampling=0)  # JPEG: text and thin lines stay sharp
    except (OSError, ValueError) as error:  # ValueError: no format has this suffix
        reason = getattr(error, 'strerror', None) or error
        raise UserError(f'{out} cannot be written ({reason}): choose another place or name') from None
