"""Tiled, compressed TIFF files that are written strip by strip, in memory that does not grow with their height."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .files import atomic_write
from .georeference import TiffTag
from .image_size import ImageSize
from .rasters.packages import import_package
from .window import Window

TIFF_TILE = 256
"""Side of the file's tiles in pixels, a multiple of 16."""
CLASSIC_TIFF_BYTES = (1 << 32) - (1 << 25)
"""Most bytes of pixels for a TIFF with offsets of 32 bits, which may have 4 GB in all; with more it is a BigTIFF."""
BUFFER_BYTES = 1 << 25
"""Bytes of tiles that are compressed at once."""
COLORS = 3

Read = Callable[[Window], np.ndarray]
"""Returns the values of a window, (h, w) or, of colors, (h, w, 3)."""


def import_tifffile() -> Any:
    """Import and return tifffile, for writing.

    Raises:
        UserError: if it is not installed.
    """
    return import_package('tifffile', 'TIFF files are written with')


def write_tiff(
    path: str | Path,
    read: Read,
    size: ImageSize,
    dtype: np.dtype,
    tags: Sequence[TiffTag] = (),
    colors: bool = False,
    description: str | None = None,
) -> None:
    """Write an image as a TIFF of tiles of 256 x 256 pixels, with Deflate; a BigTIFF if it may have more than 4 GB.

    The file is on the disk, complete, or there is none. Memory holds a row of tiles.

    Args:
        path: the file.
        read: is called for strips of 256 rows, from top to bottom.
        size: of the image.
        dtype: of its values.
        tags: further tags, such as those of a georeference, which make it a GeoTIFF.
        colors: its pixels are red, green and blue; otherwise they are one number.
        description: the text of the tag ``ImageDescription``, in ASCII; None for no such tag.

    Raises:
        UserError: if the tifffile package is missing.
        OSError: if the file can't be written.
    """
    tifffile = import_tifffile()
    shape = (*size, COLORS) if colors else tuple(size)
    is_big = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize > CLASSIC_TIFF_BYTES
    with atomic_write(path) as temporary:
        with tifffile.TiffWriter(temporary, bigtiff=is_big) as tiff:
            tiff.write(
                _tiles(read, size, dtype, shape[2:]),
                shape=shape,
                dtype=dtype,
                tile=(TIFF_TILE, TIFF_TILE),
                photometric='rgb' if colors else 'minisblack',
                compression='zlib',
                metadata=None,
                description=description,
                extratags=list(tags),
                buffersize=BUFFER_BYTES,
                software=False,
            )
        with open(temporary, 'rb') as written:
            os.fsync(written.fileno())


def _tiles(read: Read, size: ImageSize, dtype: np.dtype, bands: tuple[int, ...]) -> Iterator[np.ndarray]:
    """Yield the tiles of the file, row by row; they are zero beyond the image."""
    for top in range(0, size.height, TIFF_TILE):
        strip = read(Window(top, 0, min(TIFF_TILE, size.height - top), size.width))
        for left in range(0, size.width, TIFF_TILE):
            tile = np.zeros((TIFF_TILE, TIFF_TILE, *bands), dtype)
            part = strip[:, left : left + TIFF_TILE]
            tile[: part.shape[0], : part.shape[1]] = part
            yield tile
