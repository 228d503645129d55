"""Optional packages that read rasters, imported when they are needed."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from typing import Any

from ...errors import UserError

TIFF_PACKAGES = "pip install 'tifffile' 'imagecodecs'"


def import_package(name: str, need: str, install: str = '', modules: Sequence[str] = ()) -> Any:
    """Import and return an optional package, with some of its modules.

    Args:
        name: the package.
        need: what it is needed for, as the beginning of a sentence that goes on with the package's name.
        install: the command that installs it; pip's by default.
        modules: names of the modules.

    Raises:
        UserError: if it is not installed.
    """
    try:
        package = importlib.import_module(name)
        for module in modules:
            importlib.import_module(f'{name}.{module}')
    except ModuleNotFoundError:
        raise UserError(f'{need} the {name} package: {install or f"pip install {name}"}') from None
    return package


def import_tifffile() -> Any:
    """Import and return tifffile, for reading.

    Raises:
        UserError: if it is not installed.
    """
    return import_package('tifffile', 'TIFF files of this kind need', TIFF_PACKAGES)


def import_rasterio() -> Any:
    """Import and return rasterio, for reading.

    Raises:
        UserError: if it is not installed.
    """
    return import_package('rasterio', "it is no TIFF, .npy, or image that Pillow knows; GDAL's formats need")


def explain_missing_codec(error: Exception) -> Exception:
    """Return the error that names imagecodecs if a decoder of it is missing; else the error itself."""
    if 'imagecodecs' in str(error) and importlib.util.find_spec('imagecodecs') is None:
        return UserError(f'its compression needs the imagecodecs package: {TIFF_PACKAGES}')
    return error
