"""The pages of a TIFF file, without decoding them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO, NamedTuple

from ...errors import UserError
from ..image_size import ImageSize
from .raster import read_at

SUBFILE_TYPE, OLD_SUBFILE_TYPE, WIDTH, HEIGHT = 254, 255, 256, 257
"""Tags (TIFF 6.0, section 8)."""
REDUCED, MASK, OLD_REDUCED = 1, 4, 2
"""Bits of the subfile type, and a value of the old one: an image at a lower resolution, and a mask of opacity."""
FORMATS = {3: 'H', 4: 'I', 16: 'Q'}
"""Data types of whole numbers, as the ``struct`` module has them."""
MOST_ENTRIES = 1 << 16
BIG = 43
"""The number in the header of a BigTIFF."""


class Page(NamedTuple):
    """A page of a TIFF file."""

    place: int
    """Its place among all images of the file, from 0."""
    size: ImageSize
    """Its size as stored."""


def find_page(file: IO[bytes], page: int | None) -> Page:
    """Find a page of a TIFF file; thumbnails, overviews and masks of opacity are no pages.

    Args:
        file: the file.
        page: its number from 1 on. None for the only one, or the first if all others are smaller, as in files that
            hold several resolutions.

    Raises:
        UserError: if there is no such page, or several may be meant.
        OSError: if the file is broken.
    """
    try:
        pages = list(_pages(file))
    except struct.error:
        raise OSError('the file is truncated') from None
    if not pages:
        raise OSError('a TIFF without an image')
    if page is not None:
        if page > len(pages):
            count = 'one page' if len(pages) == 1 else f'{len(pages)} pages'
            raise UserError(f'it has {count}, and --page {page} asks for another')
        return pages[page - 1]
    first = pages[0]
    if any(min(other.size) > 0 and _area(other) >= _area(first) for other in pages[1:]):
        raise UserError(
            f'it has {len(pages)} pages, the first of {first.size}: choose one with --page NUMBER, from 1 to '
            f'{len(pages)}, or save them as the bands of one page if they are'
        )
    return first


def _area(page: Page) -> int:
    return page.size.height * page.size.width


def _pages(file: IO[bytes]) -> Iterator[Page]:
    start = read_at(file, 0, 8)
    order = '<' if start[:2] == b'II' else '>'
    is_big = struct.unpack(f'{order}H', start[2:4])[0] == BIG
    # formats of the number of entries and of places, and of an entry: tag, data type, count, value or place
    numbers, places, entries = ('Q', 'Q', 'HHQ8s') if is_big else ('H', 'I', 'HHI4s')
    offset = _number(file, 8 if is_big else 4, order + places)
    offset_of_next = 8 if is_big else 4
    seen: set[int] = set()
    found: list[tuple[bool, Page]] = []
    try:
        while (offset := _number(file, offset_of_next, order + places)) and offset not in seen:
            seen.add(offset)
            count = _number(file, offset, order + numbers)
            offset += struct.calcsize(order + numbers)
            directory = read_at(file, offset, min(count, MOST_ENTRIES) * struct.calcsize(order + entries))
            tags = {
                tag: struct.unpack_from(f'{order}{FORMATS[kind]}', value)[0]
                for tag, kind, _, value in struct.iter_unpack(order + entries, directory)
                if SUBFILE_TYPE <= tag <= HEIGHT and kind in FORMATS
            }
            is_part = tags.get(SUBFILE_TYPE, 0) & (REDUCED | MASK) or tags.get(OLD_SUBFILE_TYPE) == OLD_REDUCED
            size = ImageSize(tags.get(HEIGHT, 0), tags.get(WIDTH, 0))
            found.append((bool(is_part), Page(len(found), size)))
            offset_of_next = offset + len(directory)
    except (OSError, struct.error):
        if not found:  # else what follows the page is broken, which other readers don't see
            raise
    yield from [page for is_part, page in found if not is_part] or [page for _, page in found]


def _number(file: IO[bytes], offset: int, form: str) -> int:
    value: int = struct.unpack(form, read_at(file, offset, struct.calcsize(form)))[0]
    return value
