"""Images that Pillow reads, decoded as a whole."""

from __future__ import annotations

import numpy as np

from ..image_size import ImageSize
from ..images import has_color_of_16_bits, open_image, orientation_of, stored_type, stored_values
from ..opening import AS_USUAL, Opening
from ..window import Window
from .raster import Raster


class PillowRaster(Raster):
    """An image that Pillow reads; it is decoded when the first window is read.

    An image in a mode of color has the bands red, green and blue, with 16 bits where the file has them; other images
    have one. Palettes are read as their colors, and opacity is dropped.

    Args:
        path: the file.
        opening: see :class:`~convnext_dense.io.opening.Opening`.

    Raises:
        UserError: if it has too many pixels, or the page does not exist.
        OSError: if it can't be read or is no image.
    """

    decodes_whole = True

    def __init__(self, path: str, opening: Opening = AS_USUAL) -> None:
        self.path, self.opening = path, opening
        self._image = open_image(path, opening=opening)
        self.bands, self.dtype = stored_type(self._image)
        # decoded before its EXIF is read, for which Pillow may decode it with 8 bits
        self._values = stored_values(self._image) if has_color_of_16_bits(self._image) else None
        size = ImageSize.of(self._image)
        is_turned = orientation_of(self._image) >= 5 and self._image.format != 'TIFF'  # of which Pillow says it turned
        self.size = size.transposed if is_turned else size

    def _read(self, window: Window, bands: list[int]) -> np.ndarray:
        if self._values is None:
            self._values = stored_values(self._image)
        return self._values[window.slices][..., bands]

    def close(self) -> None:
        self._values = None
        self._image.close()
