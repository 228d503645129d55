"""Images of any size, of which windows are read as networks take them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import numpy as np

from ..errors import UserError
from .band_choice import BandInput, check_exist
from .band_images import as_input, bad_image, check_same_kind
from .files import read_with_retries
from .georeference import Georeference
from .image_size import ImageSize
from .images import (
    ImageValues,
    decode,
    depth_of,
    describe_read_error,
    is_turned,
    open_file,
    open_image,
    values_of,
)
from .opening import AS_USUAL, DEFAULT_MAX_PIXELS, OF_ANY_SIZE, Opening
from .rasters import Raster, open_raster
from .rasters.npy import MAGIC, NpyRaster
from .rasters.tiff import STARTS, TiffRaster
from .value_range import BITS_8, BITS_16, AmbiguousValues, ValueRange, to_levels
from .window import Window

COLORS = 3
STARTS_UP_TO = 8
"""Bytes that tell the kind of a file."""
STRIP_PIXELS, STRIP_ROWS = 4_000_000, 256
"""Pixels of the parts in which a whole image is measured, and what their number of rows is a multiple of."""


class WindowedImage:
    """An image whose windows are read as networks take them; a context that closes its file.

    ``open`` and ``of`` make one. A window is equal, pixel for pixel, to the crop of what
    :class:`~convnext_dense.data.dense.LoadImage` reads of the whole image, but that the decoders of JPEG inside of
    TIFF differ by a level here and there.

    Attributes:
        size: height and width of the image, upright as its annotations have it.
        path: the file; None of an array.
        georeference: where its pixels are on the earth; None without one.
        decodes_whole: whether the image is decoded as a whole to read one window.
    """

    size: ImageSize
    path: str | None = None
    georeference: Georeference | None = None
    decodes_whole: bool = True

    def __init__(self, pixels: np.ndarray | _Windows, path: str | None = None) -> None:
        self._pixels, self.path = pixels, path
        if isinstance(pixels, np.ndarray):
            self.size = ImageSize.of(pixels)
        else:
            self.size, self.georeference = pixels.raster.size, pixels.raster.georeference
            self.decodes_whole = pixels.raster.decodes_whole

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        bands: BandInput | None = None,
        fill: Sequence[float] | float = 0.0,
        value_range: ValueRange | None = None,
        opening: Opening = AS_USUAL,
        expected: ImageSize | None = None,
        is_upright: bool = False,
        retry_missing: bool = False,
    ) -> WindowedImage:
        """Open an image file.

        TIFF and ``.npy`` files of any size are read by windows, with bands what GDAL knows, too; other images are
        decoded here as a whole, to which the limit of pixels applies.

        Args:
            path: the file.
            bands: the bands that the network takes as stored; None for RGB of 8 bits.
            fill: the value of each band where the image has no data, NaN or infinity.
            value_range: the values that become black and white; images of more than 8 bits need it or ``bands``, but
                for those of 16 bits without a sign, of which it is 0 to 65535.
            opening: the page, and the limit of pixels.
            expected: the size that the annotations are for; None for any.
            is_upright: they are for the upright image, also where the size does not tell.
            retry_missing: see :func:`~convnext_dense.io.files.read_with_retries`, by which the file is opened first.

        Raises:
            AmbiguousValues: if its values have no range that can be told from a window.
            UserError: if the image can't be read, is not of the expected size, or lacks a band.
        """
        try:
            pixels: np.ndarray | _Windows
            start = read_with_retries(path, retry_missing, STARTS_UP_TO)
            if bands is not None:
                pixels = _open_bands(path, bands, fill, opening)
            else:
                pixels = _open_colors(path, start, value_range, opening, expected, is_upright)
        except Exception as error:  # decoders raise many types for broken files
            known = error if isinstance(error, UserError) else UserError(describe_read_error(error))
            named = bad_image(path, known)
            raise (AmbiguousValues(str(named)) if isinstance(error, AmbiguousValues) else named) from None
        image = cls(pixels, str(path))
        if expected is not None and image.size != expected:
            image.close()
            raise UserError(describe_other_size(str(path), image.size, expected))
        return image

    @classmethod
    def of(cls, array: np.ndarray, path: str | None = None) -> WindowedImage:
        """Take an image in memory: uint8 (H, W, 3) in RGB, or float32 (H, W, C)."""
        return cls(array, path)

    def read(self, window: Window | None = None) -> np.ndarray:
        """Read a window inside of the image, or all of it.

        Returns:
            uint8 (h, w, 3) in RGB, or float32 (h, w, C) with bands.

        Raises:
            UserError: if it can't be decoded, or is not inside.
        """
        window = Window.whole(self.size) if window is None else window
        if not isinstance(self._pixels, np.ndarray):
            return self._pixels.read(window)
        if min(window) < 0 or window != window.intersection(Window.whole(self.size)):
            raise UserError(f'{window} is not inside of the {self.size} pixels of {self.path or "the array"}')
        return np.ascontiguousarray(self._pixels[window.slices])

    def measure(self, window: Window | None = None) -> ImageValues:
        """Measure the stored values of a window, or of all of the image strip by strip, and what becomes of them.

        Raises:
            UserError: if it can't be decoded.
        """
        window = Window.whole(self.size) if window is None else window
        found, done = None, 0
        for strip in strips(window):
            one = self._measure(strip)
            done += strip.height
            found = one if found is None else found.join(one, strip.height / done)
        assert found is not None
        return found

    def _measure(self, window: Window) -> ImageValues:
        if isinstance(self._pixels, np.ndarray):
            values, chosen = self.read(window), BITS_8
        else:
            values = self._pixels.raster.read(window, self._pixels.bands)
            chosen = self._pixels.value_range or BITS_8
        return values_of(values, depth_of(values), chosen)

    def close(self) -> None:
        """Close the file."""
        if not isinstance(self._pixels, np.ndarray):
            self._pixels.raster.close()

    def __enter__(self) -> WindowedImage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def strips(window: Window) -> Iterator[Window]:
    """Yield parts of a window from top to bottom, of a number of pixels that memory takes easily."""
    rows = max(STRIP_PIXELS // window.width // STRIP_ROWS, 1) * STRIP_ROWS
    for top in range(window.top, window.bottom, rows):
        yield Window(top, window.left, min(rows, window.bottom - top), window.width)


def describe_other_size(path: str, size: ImageSize, expected: ImageSize) -> str:
    """Return the message for an image that is not of the size that its annotations are for."""
    return f'bad image {path} (it is {size}, its annotations say {expected}, height x width)'


def decodes_whole(path: str | Path, opening: Opening = AS_USUAL) -> bool:
    """Check by its header whether an image is decoded as a whole to read a window; False if it can't be opened.

    Args:
        path: the image's file.
        opening: the page.
    """
    try:
        with open(path, 'rb') as file:
            if file.read(STARTS_UP_TO).startswith((*STARTS, MAGIC)):
                with open_raster(path, opening.page) as raster:
                    return raster.decodes_whole
            with open_file(file, OF_ANY_SIZE):
                return True
    except Exception:  # reported or skipped when it is read, or a format of GDAL's
        return False


def reads_windows(path: str | Path, opening: Opening = AS_USUAL) -> bool:
    """Check by its header whether windows of an image are read from its file; False if it can't be opened."""
    try:
        with open(path, 'rb') as file:
            starts = file.read(STARTS_UP_TO).startswith((*STARTS, MAGIC))
    except OSError:
        return False
    return starts and not decodes_whole(path, opening)


class _Windows(NamedTuple):
    """A raster, and what becomes of its values."""

    raster: Raster
    bands: list[int]
    """Indices of the bands that are read."""
    fill: Sequence[float] | float | None = None
    """The value of each band in place of none, where the bands are read as stored; None for RGB."""
    value_range: ValueRange | None = None
    """The values that become black and white; None to keep those of 8 bits."""
    keeps_upper_bits: bool = False
    """The upper 8 of 16 bits are taken, as Pillow does for color."""

    def read(self, window: Window) -> np.ndarray:
        values = self.raster.read(window, self.bands)
        if self.fill is not None:
            return as_input(values, self.fill, self.raster.nodata)
        if self.keeps_upper_bits:
            values = (values >> 8).astype(np.uint8)
        elif self.value_range is not None:
            values = to_levels(values, self.value_range)
        return np.ascontiguousarray(values if len(self.bands) == COLORS else values.repeat(COLORS, axis=2))


def _open_bands(path: str | Path, wanted: BandInput, fill: Sequence[float] | float, opening: Opening) -> _Windows:
    raster = open_raster(path, *opening)
    try:
        check_same_kind(wanted, raster.bands, raster.dtype)
        bands = check_exist(wanted.bands, raster.bands, 'it has')
    except UserError:
        raster.close()
        raise
    return _Windows(raster, [band - 1 for band in bands], fill)


def _open_colors(
    path: str | Path,
    start: bytes,
    value_range: ValueRange | None,
    opening: Opening,
    expected: ImageSize | None,
    is_upright: bool,
) -> np.ndarray | _Windows:
    if start.startswith((*STARTS, MAGIC)):
        raster = open_raster(path, *opening)
        try:
            windows = _color_windows(raster, value_range)
        except UserError:
            raster.close()
            raise
        if windows is not None:
            return windows
        raster.close()
    with open_image(path, retry_missing=True, opening=opening) as image:
        return np.asarray(decode(image, value_range, turn=is_turned(image, expected, is_upright)))


def _color_windows(raster: Raster, value_range: ValueRange | None) -> _Windows | None:
    """Return how windows of a TIFF or ``.npy`` file are read in RGB; None if it is decoded as a whole instead.

    Raises:
        UserError: if it has other bands, or values without a range.
    """
    if not isinstance(raster, TiffRaster | NpyRaster):
        return None  # a TIFF whose colors are converted
    bands = raster.colors
    is_large = raster.size.height * raster.size.width > DEFAULT_MAX_PIXELS  # which Pillow does not read
    if bands is None:
        if is_large or isinstance(raster, NpyRaster):
            raise UserError(
                f'it has {raster.bands} bands: choose those to take with --bands, such as --bands 1,2,3 or all'
            )
        return None
    if raster.dtype == np.uint8:
        return _Windows(raster, bands, value_range=None if value_range == BITS_8 else value_range)
    if value_range is not None:
        return _Windows(raster, bands, value_range=value_range)
    if raster.dtype != np.uint16:
        raise AmbiguousValues(
            f'its values are {raster.dtype}, of which windows are read: say which value is black and which is white, '
            'such as --value-range 0 4095, or take them as they are with --bands all'
        )
    is_pillows = isinstance(raster, TiffRaster) and len(bands) == COLORS and not is_large
    return _Windows(
        raster, bands, value_range=BITS_16, keeps_upper_bits=is_pillows and raster.opening.page in (None, 1)
    )
