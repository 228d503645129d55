"""Arrays in ``.npy`` files, of which windows are read without the rest."""

from __future__ import annotations

import math
import os
from typing import IO

import numpy as np
from numpy.lib import format as npy

from ...errors import UserError
from ..image_size import TOTAL_STRIDE, ImageSize
from ..opening import AS_USUAL, Opening
from ..window import Window
from .raster import Raster, check_one_page, read_at

MAGIC = npy.MAGIC_PREFIX
"""First bytes of a ``.npy`` file."""


class NpyRaster(Raster):
    """A ``.npy`` file with an array (H, W) or (H, W, C) of numbers.

    It is read rather than memory-mapped: a disk error would kill a process that maps it.

    Args:
        path: the file, for messages.
        file: the open file; this object closes it.
        opening: see :class:`~convnext_dense.io.opening.Opening`.

    Raises:
        UserError: if the array is of another kind.
        OSError: if the file is broken.
    """

    def __init__(self, path: str, file: IO[bytes], opening: Opening = AS_USUAL) -> None:
        self.path, self.opening, self._file = path, opening, file
        check_one_page(opening, 'a .npy file')
        try:
            file.seek(0)
            version = npy.read_magic(file)
            read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, self._by_columns, self._stored = read_header(file)
        except ValueError as error:
            raise OSError(f'the header of the .npy file is broken: {error}') from None
        self._start = file.tell()
        if self._stored.kind not in 'biuf' or self._stored.itemsize > 8:
            raise UserError(f'its array is of {self._stored}, and images are of integers or floats')
        shown = ' x '.join(map(str, shape))
        if len(shape) not in (2, 3) or not all(shape):
            raise UserError(f'its array is {shown}, and images are (height, width) or (height, width, bands)')
        if len(shape) == 3 and shape[0] < TOTAL_STRIDE <= min(shape[1:]):
            raise UserError(
                f'its array is {shown} with the bands first, as it seems: save array.transpose(1, 2, 0), '
                '(height, width, bands)'
            )
        if file.seek(0, os.SEEK_END) < self._start + math.prod(shape) * self._stored.itemsize:
            raise OSError('the file is truncated')
        self.size, self.bands = ImageSize(*shape[:2]), 1 if len(shape) == 2 else shape[2]
        self.dtype = np.dtype(np.uint8) if self._stored.kind == 'b' else self._stored.newbyteorder('=')

    @property
    def colors(self) -> list[int] | None:
        """Indices of the bands that are gray, or red, green and blue; None if it has others."""
        return list(range(self.bands)) if self.bands in (1, 3) else None

    def _read(self, window: Window, bands: list[int]) -> np.ndarray:
        values = self._columns(window, bands) if self._by_columns else self._rows(window)[..., bands]
        return values.astype(self.dtype, copy=False)

    def _rows(self, window: Window) -> np.ndarray:
        pixel = self.bands * self._stored.itemsize
        row = self.size.width * pixel
        if window.width == self.size.width:
            content = read_at(self._file, self._start + window.top * row, window.height * row)
        else:
            places = (self._start + y * row + window.left * pixel for y in range(window.top, window.bottom))
            content = b''.join(read_at(self._file, place, window.width * pixel) for place in places)
        return np.frombuffer(content, self._stored).reshape(*window.size, self.bands)

    def _columns(self, window: Window, bands: list[int]) -> np.ndarray:
        """Read from an array in Fortran's order, which has a column of a band after the other."""
        value, (height, width) = self._stored.itemsize, self.size
        found = np.empty((*window.size, len(bands)), self._stored)
        for place, band in enumerate(bands):
            for x in range(window.left, window.right):
                start = self._start + ((band * width + x) * height + window.top) * value
                content = read_at(self._file, start, window.height * value)
                found[:, x - window.left, place] = np.frombuffer(content, self._stored)
        return found

    def close(self) -> None:
        self._file.close()
