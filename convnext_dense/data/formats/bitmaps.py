"""Read masks that tools store as PNG files inside their own files."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from .shapes import Unreadable

MOST_PIXELS = 1 << 28
"""Maximum number of pixels of a mask that is read."""


def decode_png(content: bytes) -> np.ndarray:
    """Return the pixels of a mask, bool (h, w): those that are opaque, or not black if there is no transparency.

    Raises:
        Unreadable: if it is no PNG file, or has more than :data:`MOST_PIXELS`.
    """
    try:
        with Image.open(io.BytesIO(content), formats=('PNG',)) as image:
            if image.width * image.height > MOST_PIXELS:
                raise Unreadable('mask that is too large')
            is_opaque = 'A' not in image.getbands()
            colors = image.convert('RGB') if image.mode == 'P' else image  # its indices are of any colors
            pixels = np.asarray(colors if is_opaque else image.getchannel('A')) > 0
    except Unreadable:
        raise
    except Exception:  # Pillow raises many types for broken files
        raise Unreadable('mask that is no PNG image') from None
    return pixels if pixels.ndim == 2 else np.logical_or.reduce(pixels, axis=2)
