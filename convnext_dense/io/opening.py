"""How image files are opened: which page, and how many pixels are decoded at most."""

from __future__ import annotations

import struct
import sys
from typing import IO, NamedTuple

from PIL import Image, UnidentifiedImageError

from ..errors import UserError
from .image_size import ImageSize

DEFAULT_MAX_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 2**27)
"""Pixels of the largest image that is decoded unless another limit is set: Pillow's."""


class TooManyPixels(UserError):
    """Error for an image that is not decoded because of its size."""


class Opening(NamedTuple):
    """How an image file is opened."""

    page: int | None = None
    """Page of a file with several, counted from 1; None for the only one. Thumbnails and overviews are no pages."""
    max_pixels: int | None = None
    """Pixels of the largest image that is decoded; None for :data:`DEFAULT_MAX_PIXELS`."""

    def check_size(self, size: ImageSize, what: str = '') -> None:
        """Check that an image, or a part of one that is decoded at once, has no more pixels than the limit.

        Args:
            size: its height and width.
            what: its name in the message, if it is not the image.

        Raises:
            TooManyPixels: if it has.
        """
        pixels = size.height * size.width
        limit = DEFAULT_MAX_PIXELS if self.max_pixels is None else self.max_pixels
        if pixels > limit:
            raise TooManyPixels(
                f'{what or "it"} has {pixels:,} pixels ({size}), more than {limit:,}: if the file can be trusted, '
                f'decode it with --max-pixels {pixels}'
            )


AS_USUAL = Opening()
"""The only page, and the default limit."""
OF_ANY_SIZE = Opening(page=1, max_pixels=sys.maxsize)
"""The first page of images of any size, to read their headers, or masks, which have the sizes of their images."""


def as_opening(page: object = None, max_pixels: object = None) -> Opening:
    """Convert the settings ``page`` and ``max_pixels`` of a config, whole numbers from 1 on, or None.

    Raises:
        UserError: for anything else.
    """
    for name, value in (('page', page), ('max_pixels', max_pixels)):
        if value is not None and (type(value) is not int or value < 1):
            raise UserError(f'{name} {value!r}: give a whole number, from 1 on')
    return Opening(page, max_pixels)  # type: ignore[arg-type]


def open_by_pillow(file: IO[bytes]) -> Image.Image:
    """Open an image like Pillow's ``Image.open``, of any size.

    ``Image.open`` takes its limit from a global variable, which would be changed for all threads and callers.

    Raises:
        UnidentifiedImageError: if it is none that Pillow knows.
        OSError: if it can't be read.
    """
    file.seek(0)
    start = file.read(16)
    tried: set[str] = set()
    for load_plugins in (Image.preinit, Image.init):
        load_plugins()
        for name in [name for name in Image.ID if name not in tried]:
            tried.add(name)
            factory, accepts = Image.OPEN[name]
            try:
                if accepts and accepts(start) is not True:
                    continue
                file.seek(0)
                return factory(file, '')
            except (SyntaxError, IndexError, TypeError, struct.error):
                continue  # of another format that begins in the same way, as Image.open has it
    raise UnidentifiedImageError('not an image')
