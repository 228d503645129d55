"""Statistics of the bands of a data set's images: measured in one pass, kept in ``image_stats.json``."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import UserError
from .band_images import has_data
from .files import atomic_write

FILE_NAME = 'image_stats.json'
OF_BAND = ('minimum', 'maximum', 'mean', 'std', 'values', 'left_out')
"""Keys of each band in the file."""


class BandSums(NamedTuple):
    """What statistics of B bands are computed from; sums of several images can be joined.

    All are float64 or int64 (B,). ``deviations`` are the sums of the squared distances from the mean, which lose no
    digits where the mean is much larger than the spread.
    """

    values: np.ndarray
    left_out: np.ndarray
    minimum: np.ndarray
    maximum: np.ndarray
    mean: np.ndarray
    deviations: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, nodata: float | None = None) -> BandSums:
        """Sum up the values of an image (H, W, B) of any type; NaN, infinity and ``nodata`` are left out."""
        rows = []
        for band in range(values.shape[2]):
            one = values[..., band]
            numbers = one[has_data(one, nodata)].astype(np.float64)
            count, all_values = numbers.size, one.size
            if not count:
                rows.append((0, all_values, np.inf, -np.inf, 0.0, 0.0))
                continue
            mean = numbers.mean()
            deviation = float(np.square(numbers - mean).sum())
            rows.append((count, all_values - count, numbers.min(), numbers.max(), mean, deviation))
        columns = list(zip(*rows, strict=True))
        return cls(*(np.array(one, np.int64) for one in columns[:2]), *(np.array(one, float) for one in columns[2:]))

    def join(self, other: BandSums) -> BandSums:
        """Return the sums of both (Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm", 1979)."""
        count = self.values + other.values
        share = other.values / np.maximum(count, 1)
        gap = other.mean - self.mean
        return BandSums(
            count,
            self.left_out + other.left_out,
            np.minimum(self.minimum, other.minimum),
            np.maximum(self.maximum, other.maximum),
            self.mean + gap * share,
            self.deviations + other.deviations + gap * gap * self.values * share,
        )


class ImageStats(NamedTuple):
    """Statistics of the images of a data set, each of B bands of one type.

    Attributes:
        images: number of images that were measured, all of the training images.
        dtype: the stored type of their values.
        minimum, maximum, mean, std: of the values of each band, as stored, without those that are left out.
        values, left_out: numbers of the values of each band, and of those that are NaN, infinite or no data.
    """

    images: int
    dtype: str
    minimum: tuple[float, ...]
    maximum: tuple[float, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    values: tuple[int, ...]
    left_out: tuple[int, ...]

    @property
    def bands(self) -> int:
        """Number of bands."""
        return len(self.mean)

    @classmethod
    def of(cls, sums: Iterable[BandSums], dtype: str) -> ImageStats | None:
        """Compute the statistics of images with equal numbers of bands; None if there is no image."""
        parts = list(sums)
        if not parts:
            return None
        total = reduce(BandSums.join, parts)
        measured = total.values > 0
        std = np.sqrt(total.deviations / np.maximum(total.values, 1))
        minimum, maximum = (np.where(measured, one, 0.0) for one in (total.minimum, total.maximum))
        columns = (minimum, maximum, total.mean, std, total.values, total.left_out)
        return cls(len(parts), dtype, *(tuple(one.tolist()) for one in columns))

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        columns = [getattr(self, key) for key in OF_BAND]
        bands = [dict(zip(OF_BAND, row, strict=True)) for row in zip(*columns, strict=True)]
        return {'images': self.images, 'dtype': self.dtype, 'bands': bands}

    def chosen(self, bands: Sequence[int]) -> list[tuple[float, float]]:
        """Return mean and std of bands, which are counted from 1."""
        return [(self.mean[band - 1], self.std[band - 1]) for band in bands]


def write_stats(stats: ImageStats, path: str | Path, command: str = '') -> None:
    """Write statistics to a file.

    Args:
        stats: the statistics.
        path: the file.
        command: the command that measured them.

    Raises:
        UserError: if it can't be written.
    """
    content = {**({'command': command} if command else {}), **stats.as_json()}
    try:
        with atomic_write(path) as file:
            file.write_text(json.dumps(content, indent=1) + '\n')
    except OSError as error:
        raise UserError(
            f'{path} cannot be written ({error.strerror}): name another place for the statistics with '
            '--image-stats FILE, also in training'
        ) from None


def read_stats(path: str | Path) -> ImageStats:
    """Read statistics.

    Raises:
        UserError: if the file can't be read, or holds no such statistics.
    """
    try:
        content = json.loads(Path(path).read_text())
        bands = content['bands']
        values: list[Any] = [tuple(float(band[key]) for band in bands) for key in OF_BAND[:4]]
        counts: list[Any] = [tuple(int(band[key]) for band in bands) for key in OF_BAND[4:]]
        stats = ImageStats(int(content['images']), np.dtype(content['dtype']).name, *values, *counts)
        numbers = [value for column in (*values, *counts) for value in column]
        if not bands or not all(map(math.isfinite, numbers)) or min(stats.std) < 0:
            raise ValueError
    except OSError as error:
        raise UserError(f'{path} cannot be read ({error.strerror}): name the statistics with --image-stats') from None
    except (ValueError, TypeError, LookupError):
        raise UserError(f'{path} holds no statistics of bands as check_data writes them: measure them again') from None
    return stats
