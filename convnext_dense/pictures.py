"""Reading pictures as people have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from .errors import UserError


def read_picture(path: str | Path) -> np.ndarray:
    """Decode a picture wholly, as :func:`upright_rgb` does.

    Returns:
        uint8 (H, W, 3), RGB.

    Raises:
        UserError: if it can't be read or decoded, with its path.
    """
    try:
        with Image.open(path) as image:
            return upright_rgb(image)
    except Exception as error:  # Pillow's decoders leak whatever a broken file makes them run into
        reason = ' '.join(str(error).replace(str(path), '').split()) or type(error).__name__
        raise UserError(f'bad image {path} ({reason})') from None


def upright_rgb(image: Image.Image) -> np.ndarray:
    """A picture of any mode, turned upright as its EXIF says.

    Returns:
        uint8 (H, W, 3), RGB.
    """
    return np.asarray(as_rgb(ImageOps.exif_transpose(image)))


def as_rgb(image: Image.Image) -> Image.Image:
    """A picture of any mode in RGB: 16-bit grey is scaled to 8 bits, transparency is dropped."""
    if image.mode.startswith('I'):  # Pillow would cut what is above 255
        image = Image.fromarray((np.asarray(image) / 257).round().clip(0, 255).astype(np.uint8))
    return image.convert('RGB')
