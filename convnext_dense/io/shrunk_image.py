"""Large images and label maps shrunk to be looked at, in memory that does not grow with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from ..errors import UserError
from .band_choice import check_exist
from .band_images import ShownBands, bad_image, has_data, stretch
from .image_size import ImageSize
from .opening import AS_USUAL, Opening
from .rasters import open_raster
from .value_range import ValueRange
from .window import Window
from .windowed_image import WindowedImage

COLORS = 3
READ_SIDE = 2048
"""Pixels: about the sides of the windows that are read."""

Read = Callable[[Window], np.ndarray]


def shrink_factor(size: ImageSize, side: int | None) -> int:
    """Return the smallest whole factor that shrinks an image to ``side`` pixels or fewer a side; 1 for None."""
    return 1 if side is None else -(-max(size) // side)


def shrunk_size(size: ImageSize, factor: int) -> ImageSize:
    """Return the size of an image that is shrunk by a whole factor: pixels at its end may stand for fewer."""
    return ImageSize(-(-size.height // factor), -(-size.width // factor))


def read_shrunk(
    path: str | Path,
    factor: int,
    value_range: ValueRange | ShownBands | None = None,
    opening: Opening = AS_USUAL,
) -> tuple[np.ndarray, ImageSize]:
    """Read an image shrunk by a whole factor, each pixel the mean of factor x factor.

    Args:
        path: the image's file.
        factor: see :func:`shrink_factor`.
        value_range: the values that become black and white; or the bands that are shown, which are scaled from their
            percentiles in the shrunk image.
        opening: the page, and the limit of pixels, where the image can't be read by windows.

    Returns:
        uint8 (h, w, 3), RGB, and the size of the image.

    Raises:
        UserError: if it can't be read.
    """
    if isinstance(value_range, ShownBands):
        return _read_shown(path, value_range, factor, opening)
    with WindowedImage.open(path, value_range=value_range, opening=opening) as image:
        return shrink(image.read, image.size, factor), image.size


def shrink(read: Read, size: ImageSize, factor: int) -> np.ndarray:
    """Shrink an image, each pixel the mean of factor x factor.

    Args:
        read: returns a window of it, (h, w, C).
        size: of the image.
        factor: whole.

    Returns:
        (H / factor, W / factor, C), rounded up, of the type of the windows.
    """
    shrunk: np.ndarray | None = None
    for window, part in _parts(size, factor):
        means = _means(read(window), factor)
        if shrunk is None:
            shrunk = np.empty((*shrunk_size(size, factor), means.shape[2]), means.dtype)
        shrunk[part.slices] = means
    assert shrunk is not None
    return shrunk


def shrink_labels(read: Read, size: ImageSize, factor: int) -> np.ndarray:
    """Shrink a label map: take the pixel in the middle of factor x factor.

    Args:
        read: returns a window of it, (h, w).
        size: of the label map.
        factor: whole.
    """
    sampled: np.ndarray | None = None
    for window, part in _parts(size, factor):
        values = read(window)
        rows, columns = (
            np.minimum(np.arange(count) * factor + factor // 2, side - 1)
            for count, side in zip(part.size, window.size, strict=True)
        )
        if sampled is None:
            sampled = np.empty(shrunk_size(size, factor), values.dtype)
        sampled[part.slices] = values[rows[:, None], columns]
    assert sampled is not None
    return sampled


def _parts(size: ImageSize, factor: int) -> Iterator[tuple[Window, Window]]:
    """Yield windows that cover an image, each with the window of the shrunk image that it becomes."""
    step = max(READ_SIDE // factor, 1)
    whole, shrunk = Window.whole(size), Window.whole(shrunk_size(size, factor))
    for top in range(0, shrunk.height, step):
        for left in range(0, shrunk.width, step):
            part = Window(top, left, step, step).intersection(shrunk)
            yield Window(*(number * factor for number in part)).intersection(whole), part


def _means(values: np.ndarray, factor: int) -> np.ndarray:
    """Return the means of squares of pixels, (h, w, C); those that are cut off repeat their last row or column."""
    if factor == 1:
        return values
    height, width, bands = values.shape
    values = np.pad(values, ((0, -height % factor), (0, -width % factor), (0, 0)), mode='edge')
    size = (values.shape[1] // factor, values.shape[0] // factor)
    means = [
        cv2.resize(np.ascontiguousarray(values[..., first : first + COLORS]), size, interpolation=cv2.INTER_AREA)
        for first in range(0, bands, COLORS)
    ]
    return np.concatenate([mean.reshape(*size[::-1], -1) for mean in means], axis=2)


def _read_shown(path: str | Path, shown: ShownBands, factor: int, opening: Opening) -> tuple[np.ndarray, ImageSize]:
    with open_raster(path, *opening) as raster:
        try:
            bands = [band - 1 for band in check_exist(shown.bands, raster.bands, 'it has', '--display-bands')]
        except UserError as error:
            raise bad_image(path, error) from None

        def read(window: Window) -> np.ndarray:
            values = raster.read(window, bands)
            kept = has_data(values, raster.nodata)
            return np.concatenate([np.where(kept, values, 0), kept], axis=2).astype(np.float32)

        sums = shrink(read, raster.size, factor)
    values, shares = sums[..., : len(bands)], sums[..., len(bands) :]
    means = np.divide(values, shares, out=np.full(values.shape, np.nan, np.float32), where=shares > 0)
    return stretch(means), raster.size
