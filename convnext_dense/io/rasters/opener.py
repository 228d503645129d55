"""Open an image of any kind to read windows of its stored values."""

from __future__ import annotations

from pathlib import Path

from PIL import UnidentifiedImageError

from ...errors import UserError
from ..opening import as_opening
from .gdal import GdalRaster
from .npy import MAGIC, NpyRaster
from .pillow import PillowRaster
from .raster import Raster, bad_image
from .tiff import STARTS, ConvertedColors, TiffRaster


def open_raster(path: str | Path, page: int | None = None, max_pixels: int | None = None) -> Raster:
    """Open an image to read windows of its stored values.

    TIFF and ``.npy`` files of any size are read by windows, and so is what only GDAL knows; what Pillow reads is
    decoded as a whole, to which the limit of pixels applies. The kind is that of the content, not of the name.

    Args:
        path: the image's file.
        page: page of a TIFF with several, counted from 1; None for the only one.
        max_pixels: pixels of the largest image that is decoded as a whole; None for
            :data:`~convnext_dense.io.opening.DEFAULT_MAX_PIXELS`.

    Raises:
        UserError: if it can't be read, is no image, needs a package that is missing, or has several pages of which
            none is chosen.
    """
    opening, name = as_opening(page, max_pixels), str(path)
    try:
        file = open(path, 'rb')  # noqa: SIM115 - the raster closes it
    except OSError as error:
        raise bad_image(path, error) from None
    try:
        start = file.read(8)
        if start.startswith(STARTS):
            return TiffRaster(name, file, opening)
        if start.startswith(MAGIC):
            return NpyRaster(name, file, opening)
    except ConvertedColors:
        pass
    except Exception as error:  # tifffile raises many types for broken files
        file.close()
        raise bad_image(path, error) from None
    file.close()
    try:
        try:
            return PillowRaster(name, opening)
        except UnidentifiedImageError:
            if not start:
                raise UserError('it has zero bytes') from None
            return GdalRaster(name, opening)
    except Exception as error:
        raise bad_image(path, error) from None
