"""Scan every mask of a data set once, and cache the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from ...errors import UserError
from ...io.color_masks import BadLabels
from ...io.image_size import ImageSize
from ...io.images import UNLABELED, open_file, orientation_of
from ...io.opening import DEFAULT_MAX_PIXELS, OF_ANY_SIZE
from ..scan_cache import cache_file, files_digest, scan_once
from .readers import INDEX, MaskReader

SCAN_VERSION = 6
"""Version of the cached results; increase it whenever the results of a scan change."""
UNREADABLE = 'unreadable'
NEGATIVE = 'with negative numbers'
SIZE = 'of another size than the image (height x width)'

ImageAndMask = tuple[str, str]
"""Paths of an image and its mask."""


class MaskScan(NamedTuple):
    """The labels in a mask, or the reason why the mask is unusable."""

    largest_label: int
    """Largest label other than 255; 0 if there is none or there is a fault."""
    fault: str = ''
    """``''``, :data:`UNREADABLE`, :data:`SIZE`, or that of :class:`~.mask_files.BadLabels`."""
    detail: str = ''
    """Details of the fault, such as the sizes."""
    pixels: Sequence[tuple[int, int]] = ()
    """Each label that occurs, up to 255 or a color, with its number of pixels."""


_found: dict[Path, tuple[str, list[MaskScan]]] = {}
"""Results in this process by the file that caches them, with the state of the files at that time."""


def scan_masks(pairs: Sequence[ImageAndMask], reader: MaskReader = INDEX) -> list[MaskScan]:
    """Scan every mask, or take what was found before if no file has changed since.

    A process reads the cached results once; after that, only sizes and times of the files are compared. Several
    processes may call this at once: one scans, the others wait for its results.
    """
    files = [file for pair in pairs for file in pair]
    state, file = files_digest(files, SCAN_VERSION, reader.digest), cache_file('masks', pairs[0][1], reader.cache_name)
    known = _found.get(file)
    if known is not None and known[0] == state:
        return known[1]
    flat = scan_once(file, state, lambda: _flat(_scan_all(pairs, reader)), 'masks', _is_lasting)
    scans = [
        MaskScan(largest, fault, detail, list(zip(numbers[::2], numbers[1::2], strict=True)))
        for largest, fault, detail, numbers in flat
    ]
    if _is_lasting(flat):
        _found[file] = state, scans
    return scans


def _is_lasting(flat: Sequence[tuple]) -> bool:
    return not any(fault == UNREADABLE for _, fault, *_ in flat)  # such a mask may become readable without a change


def _scan(pair: ImageAndMask, reader: MaskReader) -> MaskScan:
    image, mask = pair
    sizes, (claimed, *_) = _possible_sizes(image), (*_possible_sizes(mask), ImageSize(0, 0))
    if claimed.height * claimed.width > DEFAULT_MAX_PIXELS and claimed not in sizes:  # it may not fit into memory
        return MaskScan(0, SIZE, f'{claimed}, image {sizes[-1]}') if sizes else MaskScan(0, UNREADABLE)
    try:
        labels = reader.read(mask)
    except BadLabels as error:
        return MaskScan(0, error.fault, error.detail)
    except UserError:
        return MaskScan(0, UNREADABLE)
    size = ImageSize.of(labels)
    if sizes and size not in sizes:
        return MaskScan(0, SIZE, f'{size}, image {sizes[-1]}')
    return _of_counts(reader.count(labels), reader)


def _of_counts(counts: Mapping[int, int], reader: MaskReader) -> MaskScan:
    if min(counts, default=0) < 0:
        return MaskScan(0, NEGATIVE, str(min(counts)))
    largest = max((label for label in counts if label != UNLABELED), default=0)
    return MaskScan(largest, pixels=[(label, number) for label, number in counts.items() if label <= reader.largest])


def _possible_sizes(image: str) -> list[ImageSize]:
    """Return an image's size as stored and, if EXIF rotates it by 90 degrees, as rotated; empty if unreadable."""
    try:
        with open(image, 'rb') as file, open_file(file, OF_ANY_SIZE) as opened:
            size = ImageSize.of(opened)
            on_its_side = orientation_of(opened) >= 5
    except Exception:  # reported or skipped when it is read for training
        return []
    return [size, size.transposed] if on_its_side else [size]


def _scan_all(pairs: Sequence[ImageAndMask], reader: MaskReader) -> list[MaskScan]:
    counted = scan_masks(pairs, reader.counted_by) if reader.counted_by else [None] * len(pairs)
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda pair, known: _count_again(known, reader) or _scan(pair, reader), pairs, counted))


def _count_again(known: MaskScan | None, reader: MaskReader) -> MaskScan | None:
    """Return the scan of a mask by that of another reader; None if it must be read."""
    if known is None or known.fault:
        return known
    counts = reader.count_again(known.pixels)
    return None if counts is None else _of_counts(counts, reader)


def _flat(scans: Sequence[MaskScan]) -> list[tuple]:
    """Return scans with labels and numbers of pixels in one list each: many small lists take several times as long."""
    return [(*scan[:-1], [number for pair in scan.pixels for number in pair]) for scan in scans]
