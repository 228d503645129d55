"""Read the images that are predicted, whatever they are given as."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import UserError
from ..io.band_choice import BandInput, check_exist
from ..io.band_images import as_input, bad_image, check_same_kind, read_input
from ..io.images import decode, read_rgb
from ..io.opening import Opening
from ..io.value_range import ValueRange

ImageLike = str | Path | np.ndarray | Image.Image


def read_colors(image: ImageLike, value_range: ValueRange | None, opening: Opening) -> tuple[str | None, np.ndarray]:
    """Return the image's path, or None, and its pixels, uint8 (H, W, 3), RGB.

    Args:
        image: a path, an image of Pillow, or uint8 (H, W, 3) in RGB.
        value_range: the values that become black and white, of images of more than 8 bits.
        opening: the page, and the limit of pixels.

    Raises:
        UserError: if it can't be read, or is another array.
    """
    if isinstance(image, str | Path):
        return str(image), read_rgb(image, value_range=value_range, opening=opening)
    if isinstance(image, Image.Image):
        return None, np.asarray(decode(image, value_range))
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise UserError(f'an image as an array is uint8 (H, W, 3) in RGB, not {image.dtype} {image.shape}')
    return None, image


def read_bands(
    image: ImageLike, bands: BandInput, fill: Sequence[float], opening: Opening
) -> tuple[str | None, np.ndarray]:
    """Return the image's path, or None, and the bands that a network takes, float32 (H, W, C).

    Args:
        image: a path, or an array (H, W, B) with all bands that are stored.
        bands: the bands that the network takes.
        fill: the value of each band where the image has no data, NaN or infinity.
        opening: the page, and the limit of pixels.

    Raises:
        UserError: if it can't be read, is another array, or lacks a band.
    """
    if isinstance(image, str | Path):
        try:
            return str(image), read_input(image, bands, fill, opening)
        except UserError as error:
            raise bad_image(image, error) from None
    values = np.asarray(image)
    values = values[..., None] if values.ndim == 2 else values
    if values.ndim != 3 or values.dtype.kind not in 'iuf' or not values.size:
        raise UserError(
            f'an image as an array is (H, W, {bands.stored or "bands"}), not {values.dtype} {values.shape}'
        )
    check_same_kind(bands, values.shape[2], values.dtype)
    check_exist(bands.bands, values.shape[2], 'the image has')
    return None, as_input(values[..., [band - 1 for band in bands.bands]], fill)
