"""Reading bands of images as they are stored, as the input of a network or to be shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import UserError
from .band_choice import BandInput, check_exist
from .opening import AS_USUAL, Opening

LOWEST, HIGHEST = 2, 98
"""Percentiles of a band that become black and white where it is shown."""


class ShownBands(NamedTuple):
    """The three bands, from 1, that drawings of an image show as red, green and blue."""

    bands: tuple[int, ...]


def read_input(
    path: str | Path, wanted: BandInput, fill: Sequence[float] | float = 0.0, opening: Opening = AS_USUAL
) -> np.ndarray:
    """Read the bands of an image that a network takes, as stored: float32 (H, W, C).

    Args:
        path: the image's file.
        wanted: the bands.
        fill: the value of each band where the image has no data, NaN or infinity.
        opening: the page, and the limit of pixels.

    Raises:
        UserError: if the image does not have them, or is of another number of bands or another type than those that
            the network is for, or it can't be read.
    """
    from .rasters import open_raster  # here, because it imports the module of images, which imports this one

    with open_raster(path, *opening) as raster:
        check_same_kind(wanted, raster.bands, raster.dtype)
        bands = check_exist(wanted.bands, raster.bands, 'it has')
        return as_input(raster.read(bands=[band - 1 for band in bands]), fill, raster.nodata)


def check_same_kind(wanted: BandInput, stored: int, dtype: np.dtype) -> None:
    """Check that an image is of the kind that a network is for.

    Raises:
        UserError: if the number of its bands differs, or the type of their values. Floats of all sizes are one type.
    """
    same = wanted.dtype is None or _kind(dtype) == _kind(np.dtype(wanted.dtype))
    if same and wanted.stored in (None, stored):
        return
    made_for = f'{count_bands(wanted.stored or stored)} of {wanted.dtype or dtype}'
    raise UserError(f'it has {count_bands(stored)} of {dtype}, and mean and std are of images with {made_for}')


def bad_image(path: str | Path, error: UserError) -> UserError:
    """Return the error for an image that can't be used, which may name it already."""
    return error if str(error).startswith('bad image ') else UserError(f'bad image {path} ({error})')


def count_bands(number: int) -> str:
    """Write a number of bands."""
    return f'{number} band{"" if number == 1 else "s"}'


def as_input(values: np.ndarray, fill: Sequence[float] | float = 0.0, nodata: float | None = None) -> np.ndarray:
    """Convert bands (H, W, C) of any type to float32, with ``fill`` of each band for NaN, infinity and no data."""
    with np.errstate(over='ignore'):
        array = values.astype(np.float32)
    if values.dtype.kind == 'f' or nodata is not None:
        kept = has_data(values, nodata)
        if not kept.all():
            array = np.where(kept, array, np.broadcast_to(np.asarray(fill, np.float32), array.shape))
    return np.ascontiguousarray(array)


def has_data(values: np.ndarray, nodata: float | None = None) -> np.ndarray:
    """Tell which values are finite as float32 and not ``nodata``."""
    kept = np.ones(values.shape, bool)
    if values.dtype.kind == 'f':
        with np.errstate(over='ignore'):
            kept = np.isfinite(values.astype(np.float32))
    if nodata is not None and not np.isnan(nodata):
        kept &= values != nodata
    return kept


def read_shown(path: str | Path, shown: ShownBands, opening: Opening = AS_USUAL) -> np.ndarray:
    """Read three bands of an image to be looked at, uint8 (H, W, 3).

    Raises:
        UserError: if the image can't be read, or does not have the bands.
    """
    from .rasters import open_raster

    try:
        with open_raster(path, *opening) as raster:
            bands = check_exist(shown.bands, raster.bands, 'it has', '--display-bands')
            return stretch(raster.read(bands=[band - 1 for band in bands]), raster.nodata)
    except UserError as error:
        raise bad_image(path, error) from None


def stretch(values: np.ndarray, nodata: float | None = None, like: np.ndarray | None = None) -> np.ndarray:
    """Scale each band of an image (H, W, C) from its 2nd to its 98th percentile to 0 to 255; no data and NaN are 0.

    Args:
        values: the image.
        nodata: the value that stands for no data.
        like: the image whose percentiles are taken; None for this one.
    """
    valid, array = has_data(values, nodata), values.astype(np.float64)
    measured = array if like is None else like.astype(np.float64)
    measurable = valid if like is None else has_data(like, nodata)
    levels = np.zeros(array.shape, np.uint8)
    for band in range(array.shape[2]):
        one, kept = array[..., band], valid[..., band]
        finite = measured[..., band][measurable[..., band]]
        if not finite.size:
            continue
        low, high = np.percentile(finite, [LOWEST, HIGHEST])
        if low == high:  # such as a few bright spots on one value
            low, high = float(finite.min()), float(finite.max())
        scaled = (np.where(kept, one, low) - low) * (255 / ((high - low) or 1.0))
        levels[..., band] = scaled.round().clip(0, 255)
    return levels


def _kind(dtype: np.dtype) -> str:
    return 'float' if dtype.kind == 'f' else dtype.name
