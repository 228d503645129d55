"""Optional packages that read rasters, imported when they are needed."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from ...errors import UserError

TIFF_PACKAGES = "pip install 'tifffile' 'imagecodecs'"


def import_tifffile() -> Any:
    """Import and return tifffile.

    Raises:
        UserError: if it is not installed.
    """
    try:
        return importlib.import_module('tifffile')
    except ModuleNotFoundError:
        raise UserError(f'TIFF files of this kind need the tifffile package: {TIFF_PACKAGES}') from None


def import_rasterio() -> Any:
    """Import and return rasterio.

    Raises:
        UserError: if it is not installed.
    """
    try:
        return importlib.import_module('rasterio')
    except ModuleNotFoundError:
        raise UserError(
            "it is no TIFF, .npy, or image that Pillow knows; GDAL's formats need the rasterio package: "
            'pip install rasterio'
        ) from None


def explain_missing_codec(error: Exception) -> Exception:
    """Return the error that names imagecodecs if a decoder of it is missing; else the error itself."""
    if 'imagecodecs' in str(error) and importlib.util.find_spec('imagecodecs') is None:
        return UserError(f'its compression needs the imagecodecs package: {TIFF_PACKAGES}')
    return error
