"""Scan many images in parallel: read their headers, and check that they can be decoded completely."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import threading
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import reduce
from multiprocessing import get_context, parent_process
from typing import NamedTuple

import numpy as np
from PIL import Image

from ..errors import UserError
from ..io.band_images import count_bands
from ..io.image_size import ImageSize
from ..io.image_stats import BandSums
from ..io.images import ImageValues, image_content, measure_values, open_content, open_file, orientation_of
from ..io.opening import AS_USUAL, OF_ANY_SIZE, Opening, TooManyPixels
from ..io.rasters import open_raster
from ..io.value_range import AmbiguousValues, ValueRange
from ..io.window import Window, central_window
from ..io.windowed_image import WindowedImage, reads_windows, strips
from .segmentation.mask_files import count_labels
from .segmentation.readers import INDEX

CHUNK_SIZE = 16  # images per task of a process or thread
READERS = 8  # threads that read headers
READ_BYTES = 1 << 24  # of a file at once
NOT_IMAGES = {  # first bytes, in lowercase, of other files that may have the name of an image
    b'<!doctype html': 'an HTML page',
    b'<html': 'an HTML page',
    b'<?xml': 'an XML page',
    b'version https://git-lfs': 'a Git LFS pointer, git lfs pull fetches the image',
}


class ImageHeader(NamedTuple):
    """Properties of an image from its file header."""

    size: ImageSize
    """The size as stored, without EXIF rotation."""
    orientation: int
    """EXIF orientation, 1 to 8: 2 and above rotate or mirror the image, 5 and above swap height and width."""
    mode: str
    """Pillow's mode, such as ``'RGB'``, ``'L'`` for gray and ``'CMYK'``."""
    format: str
    """Pillow's format, such as ``'JPEG'``, detected from the content, not from the name."""

    @property
    def upright_size(self) -> ImageSize:
        """The size after EXIF rotation."""
        return self.size.transposed if self.orientation >= 5 else self.size

    def fits(self, size: ImageSize | None) -> bool:
        """Check whether the image, as stored or upright, has the annotated size; True if ``size`` is None."""
        return size is None or size in (self.size, self.upright_size)


class BandValues(NamedTuple):
    """The values of an image's bands as stored."""

    dtype: str
    sums: BandSums
    """For each band."""

    @property
    def kind(self) -> str:
        """Number and type of the bands, such as ``6 bands of uint16``."""
        return f'{count_bands(len(self.sums.mean))} of {self.dtype}'


class ImageScan(NamedTuple):
    """Result of decoding an image and its mask."""

    fault: str = ''
    """The reason why the image can't be decoded; there is no header then."""
    header: ImageHeader | None = None
    digest: bytes = b''
    """Digest of the file's content, equal for copies."""
    file_size: int = 0
    """Size of the file in bytes."""
    label_counts: dict[int, int] | None = None
    """Number of pixels of each label in the mask, including 255; None without a readable mask."""
    values: ImageValues | None = None
    """The values of the image, if it can be decoded."""
    is_ambiguous: bool = False
    """True if the fault is that the image's values don't tell which of them are black and white."""
    is_too_large: bool = False
    """True if the fault is that the image has more pixels than the limit."""
    bands: BandValues | None = None
    """The values of all bands as stored, where they are measured instead."""
    in_windows: bool = False
    """True if it was read window by window."""


ImageAndMask = tuple[str, str | None]
"""Paths of an image and of its mask, or None."""
ReadMask = Callable[[str], np.ndarray]
"""Function that reads the labels (H, W) of a mask; it raises a UserError if it can't."""


def scan_images(
    pairs: Sequence[ImageAndMask],
    workers: int,
    advance: Callable[[], object] = lambda: None,
    value_range: ValueRange | None = None,
    read_mask: ReadMask = INDEX.read,
    opening: Opening = AS_USUAL,
    by_bands: bool = False,
    in_tiles: bool = False,
) -> list[ImageScan]:
    """Decode images and count the labels of their masks.

    Args:
        pairs: images and their masks.
        workers: number of processes, at least 1; with 1, no process is started. All processes end with this function.
        advance: called after each image.
        value_range: the values of images that become black and white; see :func:`~convnext_dense.io.images.decode`.
        read_mask: reads a mask.
        opening: the page of the image files, and the limit of pixels.
        by_bands: measure the stored values of all bands, rather than what becomes of RGB.
        in_tiles: images are read window by window where their files allow it, as tiles are, whatever their size.

    Raises:
        UserError: if a process dies.
    """

    def scan(pair: ImageAndMask) -> ImageScan:
        return scan_image(pair, value_range, read_mask, opening, by_bands, in_tiles)

    if workers == 1:
        return [_advanced(advance, scan(pair)) for pair in pairs]
    # fork, because a spawned process would have to import the package, and get a copy of the annotations
    pool = ProcessPoolExecutor(workers, get_context('fork'), initializer=_start_worker, initargs=(scan,))
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # until the processes have their own handler
        try:
            scans = pool.map(_scan_in_worker, pairs, chunksize=CHUNK_SIZE)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        return [_advanced(advance, scan) for scan in scans]
    except BrokenProcessPool:
        raise UserError(
            'a process that decodes the images died, perhaps out of memory: use fewer with --workers'
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def scan_image(
    pair: ImageAndMask,
    value_range: ValueRange | None = None,
    read_mask: ReadMask = INDEX.read,
    opening: Opening = AS_USUAL,
    by_bands: bool = False,
    in_tiles: bool = False,
) -> ImageScan:
    """Decode an image and measure its values, and count the labels of its mask; see :func:`scan_images`."""
    path, mask = pair
    if in_tiles and reads_windows(path, opening):
        return _scan_windows(path, mask, value_range, read_mask, opening, by_bands)
    try:
        with open(path, 'rb') as file:
            content = file.read()
    except OSError as error:
        return ImageScan(error.strerror or type(error).__name__)
    digest = hashlib.blake2b(content, digest_size=16).digest()
    label_counts = None if mask is None else _count_labels(mask, read_mask)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # such as for slightly invalid EXIF
            with open_content(content, opening) as image:
                header = _header_of(image)
                values = None if by_bands else measure_values(image, value_range)
            bands = measure_bands(path, opening) if by_bands else None
    except Exception as error:  # Pillow's decoders raise many types for broken files
        kinds = isinstance(error, AmbiguousValues), isinstance(error, TooManyPixels)
        return ImageScan(_fault(content[:64], error), None, digest, len(content), label_counts, None, *kinds)
    if bands is not None:  # bands are read upright
        header = header._replace(size=header.upright_size, orientation=1, mode=bands.kind)
    return ImageScan('', header, digest, len(content), label_counts, values, bands=bands)


def _scan_windows(
    path: str,
    mask: str | None,
    value_range: ValueRange | None,
    read_mask: ReadMask,
    opening: Opening,
    by_bands: bool,
) -> ImageScan:
    digest = hashlib.blake2b(digest_size=16)
    with open(path, 'rb') as file:
        while part := file.read(READ_BYTES):
            digest.update(part)
    label_counts = None if mask is None else _count_labels(mask, read_mask)
    found = ImageScan('', None, digest.digest(), os.stat(path).st_size, label_counts, in_windows=True)
    header = read_header(path, opening._replace(max_pixels=OF_ANY_SIZE.max_pixels))
    if isinstance(header, str):
        return found._replace(fault=header)
    try:
        if by_bands:
            bands = measure_bands(path, opening)
            return found._replace(header=header._replace(mode=bands.kind), bands=bands)
        with WindowedImage.open(path, value_range=value_range, opening=opening) as image:
            return found._replace(header=header, values=image.measure())
    except UserError as error:
        fault = str(error).removeprefix(f'bad image {path} (').removesuffix(')')
        return found._replace(fault=fault, is_ambiguous=isinstance(error, AmbiguousValues))


def measure_bands(path: str, opening: Opening = AS_USUAL, tile: ImageSize | None = None) -> BandValues:
    """Measure the values of all bands of an image as stored.

    Args:
        path: the image's file.
        opening: the page, and the limit of pixels.
        tile: size of a part in the middle that is measured; None for all of the image.

    Raises:
        UserError: if it can't be read.
    """
    with open_raster(path, *opening) as raster:
        window = Window.whole(raster.size) if tile is None else central_window(raster.size, tile)
        sums = (BandSums.of(raster.read(strip), raster.nodata) for strip in strips(window))
        return BandValues(raster.dtype.name, reduce(BandSums.join, sums))


def read_header(path: str, opening: Opening = OF_ANY_SIZE) -> ImageHeader | str:
    """Read an image's header without decoding the image.

    Args:
        path: the image's file.
        opening: the page, and the limit of pixels; by default the first page, without a limit.

    Returns:
        The header, or the reason why the image can't be opened.
    """
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return _read_header(path, opening)


def read_headers(paths: Sequence[str]) -> list[ImageHeader | str]:
    """Read the headers of many images in threads, which wait for the disk at the same time.

    Returns:
        For each image what :func:`read_header` returns.
    """
    parts = [paths[start : start + CHUNK_SIZE] for start in range(0, len(paths), CHUNK_SIZE)]
    with warnings.catch_warnings():  # outside of the threads, which share the filters
        warnings.simplefilter('ignore')
        with ThreadPoolExecutor(READERS) as pool:
            read = pool.map(lambda part: [_read_header(path) for path in part], parts)
            return [header for of_part in read for header in of_part]


def _read_header(path: str, opening: Opening = OF_ANY_SIZE) -> ImageHeader | str:
    try:
        with open(path, 'rb') as file:
            read = io.BytesIO(image_content(file.read())) if path.endswith('.json') else file
            with open_file(read, opening) as image:
                return _header_of(image)
    except Exception as error:
        try:
            with open(path, 'rb') as file:
                return _fault(file.read(64), error)
        except OSError as unreadable:
            return unreadable.strerror or type(unreadable).__name__


def _header_of(image: Image.Image) -> ImageHeader:
    return ImageHeader(ImageSize.of(image), orientation_of(image), image.mode, image.format or '')


def _fault(first_bytes: bytes, error: Exception) -> str:
    """Describe why a file can't be decoded as an image."""
    if not first_bytes:
        return 'it has zero bytes'
    for beginning, kind in NOT_IMAGES.items():
        if first_bytes.lstrip().lower().startswith(beginning):
            return f'it is {kind}'
    if isinstance(error, Image.UnidentifiedImageError):
        return 'no known image format'
    return ' '.join(str(error).split()) or type(error).__name__


def _count_labels(mask: str, read_mask: ReadMask) -> dict[int, int] | None:
    try:
        return count_labels(read_mask(mask))
    except UserError:  # reported by the check of the masks
        return None


def _advanced(advance: Callable[[], object], scan: ImageScan) -> ImageScan:
    advance()
    return scan


_of_worker: dict[str, Callable[[ImageAndMask], ImageScan]] = {}
"""The function of a worker process, set when it starts."""


def _scan_in_worker(pair: ImageAndMask) -> ImageScan:
    return _of_worker['scan'](pair)


def _start_worker(scan: Callable[[ImageAndMask], ImageScan]) -> None:
    _of_worker['scan'] = scan
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it at once, and without a traceback
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when its parent has ended, since a killed parent can't end its workers."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
