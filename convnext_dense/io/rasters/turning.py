"""Windows of images that their EXIF orientation turns."""

from __future__ import annotations

import numpy as np

from ..image_size import ImageSize
from ..window import Window

FLIPS = {1: (0, 0), 2: (0, 1), 3: (1, 1), 4: (1, 0), 5: (0, 0), 6: (1, 0), 7: (1, 1), 8: (0, 1)}
"""Whether each orientation reverses the rows and the columns; from 5 on, they are swapped afterwards."""


def upright_size(stored: ImageSize, orientation: int) -> ImageSize:
    """Return the size of an upright image by its size as stored."""
    return stored.transposed if orientation >= 5 else stored


def stored_window(window: Window, stored: ImageSize, orientation: int) -> Window:
    """Return the window as stored of a window of the upright image; ``stored`` is the whole image's size."""
    top, left, height, width = window
    if orientation >= 5:
        top, left, height, width = left, top, width, height
    rows, columns = FLIPS[orientation]
    if rows:
        top = stored.height - top - height
    if columns:
        left = stored.width - left - width
    return Window(top, left, height, width)


def turned(values: np.ndarray, orientation: int) -> np.ndarray:
    """Turn an array (H, W, ...) as stored upright."""
    rows, columns = FLIPS[orientation]
    values = values[:: -1 if rows else 1, :: -1 if columns else 1]
    return values.swapaxes(0, 1) if orientation >= 5 else values
