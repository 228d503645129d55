"""Images that Pillow does not read, for code that takes Pillow's images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from .value_range import ValueRange, find_value_range, to_levels

if TYPE_CHECKING:
    from .rasters import Raster

COLOR = 3
"""Bands of an image in color."""


class RasterImage(Image.Image):
    """A raster that Pillow has no mode or no decoder for, which is decoded when its values are asked for.

    Its size, format and EXIF are those of a Pillow image; the mode is the nearest one. ``numpy.asarray`` gives the
    stored values, (H, W) of one band or (H, W, C).

    Args:
        raster: the raster; leaving the context of the image closes it.
        format: name of the file's format.
    """

    def __init__(self, raster: Raster, format: str) -> None:
        super().__init__()
        self.raster, self.format = raster, format  # type: ignore[misc]
        self._size = raster.size.width, raster.size.height
        of_bytes = {1: 'L', COLOR: 'RGB'}.get(raster.bands, 'I') if raster.dtype == np.uint8 else 'I'
        self._mode = 'F' if raster.dtype.kind == 'f' else of_bytes
        self._stored: np.ndarray | None = None

    @property
    def stored(self) -> np.ndarray:
        """The stored values: (H, W) of one band, otherwise (H, W, C).

        Raises:
            UserError: if it has too many pixels.
            Exception: of many types, if it can't be decoded.
        """
        if self._stored is None:
            values = self.raster.values()
            self._stored = values[..., 0] if self.raster.bands == 1 else values
        return self._stored

    @property
    def colors(self) -> np.ndarray:
        """The stored values of a gray image, (H, W), or of red, green and blue, (H, W, 3).

        Raises:
            OSError: if it has other bands.
        """
        if self.raster.bands not in (1, COLOR):
            raise OSError(
                f'it has {self.raster.bands} bands: choose those to take with --bands, such as --bands 1,2,3 or all'
            )
        return self.stored

    def as_rgb(self, value_range: ValueRange | None = None) -> Image.Image:
        """Convert it to RGB with 8 bits; see :func:`~convnext_dense.io.images.decode`."""
        values = self.colors
        if value_range is not None or values.dtype != np.uint8:
            values = to_levels(values, value_range or find_value_range(values))
        return Image.fromarray(np.ascontiguousarray(values)).convert('RGB')

    @property
    def __array_interface__(self) -> dict[str, Any]:
        """The stored values, for ``numpy.asarray``."""
        interface: dict[str, Any] = self.stored.__array_interface__
        return interface

    def convert(self, mode: str | None = None, *args: Any, **kwargs: Any) -> Image.Image:
        """Convert it to another mode, like Pillow's images.

        Raises:
            OSError: if it has more than 8 bits, which Pillow would cut off.
        """
        values = self.colors
        if values.dtype != np.uint8:
            raise OSError(f'it has numbers of {values.dtype} rather than colors')
        return Image.fromarray(np.ascontiguousarray(values)).convert(mode, *args, **kwargs)

    def load(self) -> None:  # type: ignore[override]
        """Decode it."""
        _ = self.stored

    def getbands(self) -> tuple[str, ...]:
        """The names of its bands, which are their numbers."""
        return tuple(str(band + 1) for band in range(self.raster.bands))

    def close(self) -> None:
        """Close its file."""
        self.raster.close()

    def __exit__(self, *args: object) -> None:
        self.close()
