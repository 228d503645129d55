"""Scan every mask of a data set once, and cache the results."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from filelock import FileLock
from PIL import ExifTags, Image

from ...errors import UserError
from ...io.cache import cache_folder
from ...io.files import atomic_write
from ...io.image_size import ImageSize
from ...io.images import UNLABELED, describe_read_error, open_image

SCAN_VERSION = 2
"""Version of the cached results; increase it whenever the results of a scan change."""
UNREADABLE = 'unreadable'
CHANNELS = 'with several channels'
SIZE = 'of another size than the image (height x width)'

ImageAndMask = tuple[str, str]
"""Paths of an image and its mask."""


class MaskScan(NamedTuple):
    """The largest label in a mask, or the reason why the mask is unusable."""

    largest_label: int
    """Largest label other than 255; 0 if there is none or there is a fault."""
    fault: str = ''
    """``''``, :data:`UNREADABLE`, :data:`CHANNELS` or :data:`SIZE`."""
    detail: str = ''
    """Details of the fault, such as the sizes."""


def scan_masks(pairs: Sequence[ImageAndMask]) -> list[MaskScan]:
    """Scan every mask, or take the cached results if no file has changed.

    Several processes may call this at once: one scans, the others wait for its results.
    """
    scans: list[MaskScan] | None = None
    try:
        state, file = _state(pairs), _cache_file(pairs)
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(file.with_suffix('.lock')):
            scans = _read_cache(file, state)
            if scans is None:
                scans = _scan_all(pairs)
                if not any(scan.fault == UNREADABLE for scan in scans):  # it may become readable without a change
                    with atomic_write(file) as temporary:
                        temporary.write_text(json.dumps({'state': state, 'scans': scans}), encoding='utf-8')
    except OSError as error:
        logging.getLogger('mmengine').warning(
            f'cannot cache the results of scanning the masks ({error}), so every start will read all masks: '
            'set CONVNEXT_DENSE_CACHE to a writable folder'
        )
    return _scan_all(pairs) if scans is None else scans


def read_mask(path: str, retry_missing: bool = False) -> np.ndarray:
    """Read the labels of a mask, (H, W), or (H, W, C) if it has several channels.

    Args:
        path: the mask's file.
        retry_missing: see :func:`~convnext_dense.io.files.read_with_retries`.

    Raises:
        UserError: if the mask can't be read or decoded.
    """
    try:
        with open_image(path, retry_missing) as mask:
            return np.asarray(mask)
    except Exception as error:  # Pillow's decoders raise many types for broken files
        raise UserError(
            f'bad mask {path} ({describe_read_error(error)}): restore it, or remove it with its image'
        ) from None


def _scan(pair: ImageAndMask) -> MaskScan:
    image, mask = pair
    try:
        labels = read_mask(mask)
    except UserError:
        return MaskScan(0, UNREADABLE)
    if labels.ndim != 2:
        return MaskScan(0, CHANNELS, str(labels.shape[2]))
    size, sizes = ImageSize.of(labels), _possible_sizes(image)
    if sizes and size not in sizes:
        return MaskScan(0, SIZE, f'{size}, image {sizes[-1]}')
    largest = int(labels.max())
    if largest == UNLABELED:
        largest = int(labels[labels != UNLABELED].max(initial=0))
    return MaskScan(largest)


def _possible_sizes(image: str) -> list[ImageSize]:
    """Return an image's size as stored and, if EXIF rotates it by 90 degrees, as rotated; empty if unreadable."""
    try:
        with Image.open(image) as opened:
            size = ImageSize.of(opened)
            on_its_side = opened.getexif().get(ExifTags.Base.Orientation, 1) >= 5
    except Exception:  # reported or skipped when it is read for training
        return []
    return [size, size.transposed] if on_its_side else [size]


def _scan_all(pairs: Sequence[ImageAndMask]) -> list[MaskScan]:
    with ThreadPoolExecutor() as pool:
        return list(pool.map(_scan, pairs))


def _state(pairs: Sequence[ImageAndMask]) -> str:
    """Return a digest that changes when a file is added, removed, renamed or modified."""
    files = [(file, *_size_and_time(file)) for pair in pairs for file in pair]
    return hashlib.blake2b(repr((SCAN_VERSION, files)).encode('utf-8', 'surrogateescape')).hexdigest()


def _size_and_time(file: str) -> tuple[int, int]:
    try:
        status = os.stat(file)
    except OSError:  # a dangling link: unreadable
        return 0, 0
    return status.st_size, status.st_mtime_ns


def _cache_file(pairs: Sequence[ImageAndMask]) -> Path:
    folder = os.path.realpath(os.path.dirname(pairs[0][1]))
    return cache_folder() / f'masks-{hashlib.blake2b(os.fsencode(folder), digest_size=8).hexdigest()}.json'


def _read_cache(file: Path, state: str) -> list[MaskScan] | None:
    try:
        content = json.loads(file.read_text(encoding='utf-8'))
        return [MaskScan(*scan) for scan in content['scans']] if content['state'] == state else None
    except (OSError, ValueError, KeyError, TypeError):  # it does not exist, or another program or version wrote it
        return None
