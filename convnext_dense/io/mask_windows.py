"""Windows of the numbers in mask files."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ..errors import UserError
from .image_size import ImageSize
from .images import open_file
from .opening import OF_ANY_SIZE
from .raster_image import RasterImage
from .rasters import open_raster
from .rasters.tiff import STARTS, TiffRaster
from .window import Window


def cropped(image: Image.Image, window: Window) -> Image.Image | np.ndarray:
    """Return a part of a mask that Pillow opened, or the stored values of one that it does not read, (h, w, ...).

    Raises:
        OSError: if it is not inside.
    """
    if window.bottom > image.height or window.right > image.width:
        raise OSError(f'it is {ImageSize.of(image)}, smaller than its image, height x width')
    if isinstance(image, RasterImage):
        values = image.raster.values(window)
        values = values[..., 0] if image.raster.bands == 1 else values
        return Image.fromarray(values) if values.dtype == np.uint8 and image.raster.bands in (1, 3) else values
    return image.crop((window.left, window.top, window.right, window.bottom))


def mask_size(path: str) -> ImageSize:
    """Read the size of a mask from its header.

    Raises:
        OSError: if it can't be read.
    """
    with open(path, 'rb') as file, open_file(file, OF_ANY_SIZE) as mask:
        return ImageSize.of(mask)


def holds_windows(path: str) -> bool:
    """Check whether windows of a mask are read from the file: a TIFF of numbers that is not one large strip."""
    raster = _open(path)
    if raster is None:
        return False
    with raster:
        return not raster.decodes_whole


def read_numbers(path: str, window: Window) -> np.ndarray | None:
    """Read a window of a TIFF mask as stored, (h, w); None for masks that are decoded as a whole.

    Raises:
        UserError: if it can't be read, or the window is not inside.
    """
    raster = _open(path)
    if raster is None:
        return None
    with raster:
        return raster.read(window)[..., 0]


def _open(path: str) -> TiffRaster | None:
    """Open a TIFF of numbers; None for another mask, and for one that can't be opened, which its reader reports."""
    try:
        with open(path, 'rb') as file:
            if not file.read(8).startswith(STARTS):
                return None
        raster = open_raster(path, *OF_ANY_SIZE)
    except (OSError, UserError):
        return None
    if isinstance(raster, TiffRaster) and raster.holds_numbers:
        return raster
    raster.close()
    return None
