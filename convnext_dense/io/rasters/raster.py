"""The base class of images that are read by windows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np

from ...errors import UserError
from ..georeference import Georeference
from ..image_size import ImageSize
from ..images import describe_read_error
from ..opening import AS_USUAL, Opening
from ..window import Window


class Raster(ABC):
    """An image file, of whose stored values windows are read; a context that closes the file.

    Attributes:
        path: the file.
        size: height and width of the image, upright by its EXIF orientation.
        bands: number of bands C.
        dtype: type of the stored values, in the machine's byte order.
        georeference: where its pixels are on the earth; None without one.
        nodata: the value of pixels without data; None if the file names none.
        decodes_whole: whether one window takes decoding all of the image.
    """

    path: str
    size: ImageSize
    bands: int
    dtype: np.dtype
    georeference: Georeference | None = None
    nodata: float | None = None
    opening: Opening = AS_USUAL
    decodes_whole: bool = False

    def read(self, window: Window | None = None, bands: Sequence[int] | None = None) -> np.ndarray:
        """Read the stored values of a window.

        Args:
            window: the window, inside of the image; None for all of it, to which the limit of pixels applies.
            bands: indices of the bands from 0 on, in the order wanted; None for all.

        Returns:
            (h, w, C) of :attr:`dtype`.

        Raises:
            UserError: if the file can't be read or decoded, a band does not exist, or the window is not inside.
        """
        try:
            return self.values(window, bands)
        except Exception as error:  # decoders raise many types for broken files
            raise bad_image(self.path, error) from None

    def values(self, window: Window | None = None, bands: Sequence[int] | None = None) -> np.ndarray:
        """Read like :meth:`read`, with the decoder's own errors, of many types, which do not name the file."""
        whole = Window.whole(self.size)
        if window is None:
            self.opening.check_size(self.size)
            window = whole
        chosen = range(self.bands) if bands is None else bands
        for band in chosen:
            if not 0 <= band < self.bands:
                has = 'has one band' if self.bands == 1 else f'has bands 1 to {self.bands}'
                raise UserError(f'it {has}, and band {band + 1} is asked for')
        if min(window) < 0 or window != window.intersection(whole):
            raise UserError(f'{window} is not inside of its {self.size} pixels')
        return np.ascontiguousarray(self._read(window, list(chosen)))

    @abstractmethod
    def _read(self, window: Window, bands: list[int]) -> np.ndarray:
        """Read the values of a window inside of the image, (h, w, C)."""

    def close(self) -> None:  # noqa: B027 - some have no file open
        """Close the file."""

    def __enter__(self) -> Raster:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def bad_image(path: str | Path, error: Exception) -> UserError:
    """Return the error for an image that can't be read."""
    return UserError(f'bad image {path} ({describe_read_error(error)})')


def read_at(file: IO[bytes], offset: int, count: int) -> bytes:
    """Read bytes at a place in a file.

    Raises:
        OSError: if the file ends before.
    """
    file.seek(offset)
    content = file.read(count)
    if len(content) < count:
        raise OSError('the file is truncated')
    return content


def check_one_page(opening: Opening, kind: str) -> None:
    """Raise a UserError if another page than the first is chosen of a kind of files that have one."""
    if opening.page is not None and opening.page > 1:
        raise UserError(f'{kind} has one page, and --page {opening.page} asks for another')
