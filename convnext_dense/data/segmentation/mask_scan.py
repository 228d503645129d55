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

SCAN_VERSION = 5
"""Version of the cached results; increase it whenever the results of a scan change."""
UNREADABLE = 'unreadable'
CHANNELS = 'with several channels'
EQUAL_CHANNELS = 'with several channels, all of them equal'
SIZE = 'of another size than the image (height x width)'

GRAY_STEPS = {'L;2': 85, 'L;4': 17}
"""Factors by which Pillow brightens PNG files of 2 and 4 bits, whose numbers are the labels."""

ImageAndMask = tuple[str, str]
"""Paths of an image and its mask."""


class MaskScan(NamedTuple):
    """The labels in a mask, or the reason why the mask is unusable."""

    largest_label: int
    """Largest label other than 255; 0 if there is none or there is a fault."""
    fault: str = ''
    """``''``, :data:`UNREADABLE`, :data:`CHANNELS`, :data:`EQUAL_CHANNELS` or :data:`SIZE`."""
    detail: str = ''
    """Details of the fault, such as the sizes."""
    pixels: Sequence[tuple[int, int]] = ()
    """Each label that occurs, up to 255, with its number of pixels."""


_found: dict[Path, tuple[str, list[MaskScan]]] = {}
"""Results in this process by the file that caches them, with the state of the files at that time."""


def scan_masks(pairs: Sequence[ImageAndMask]) -> list[MaskScan]:
    """Scan every mask, or take what was found before if no file has changed since.

    A process reads the cached results once; after that, only sizes and times of the files are compared. Several
    processes may call this at once: one scans, the others wait for its results.
    """
    state, file = _state(pairs), _cache_file(pairs)
    known = _found.get(file)
    if known is not None and known[0] == state:
        return known[1]
    scans = _read_cache(file, state)  # before the lock, so that processes read at the same time
    if scans is None:
        scans = _scan_once(pairs, file, state)
    if _is_lasting(scans):
        _found[file] = state, scans
    return scans


def _scan_once(pairs: Sequence[ImageAndMask], file: Path, state: str) -> list[MaskScan]:
    """Scan every mask, unless another process does, and cache the results."""
    scans: list[MaskScan] | None = None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(file.with_suffix('.lock')):
            scans = _read_cache(file, state)
            if scans is None:
                scans = _scan_all(pairs)
                if _is_lasting(scans):
                    with atomic_write(file) as temporary:
                        temporary.write_text(json.dumps({'state': state, 'scans': _flat(scans)}), encoding='utf-8')
    except OSError as error:
        logging.getLogger('mmengine').warning(
            f'cannot cache the results of scanning the masks ({error}), so every start will read all masks: '
            'set CONVNEXT_DENSE_CACHE to a writable folder'
        )
    return _scan_all(pairs) if scans is None else scans


def _is_lasting(scans: Sequence[MaskScan]) -> bool:
    return not any(scan.fault == UNREADABLE for scan in scans)  # such a mask may become readable without a change


def read_mask(path: str, retry_missing: bool = False) -> np.ndarray:
    """Read the labels of a mask: the numbers in the file, of any depth from 1 to 16 bits.

    Training, checks and drawings all read masks with this function.

    Args:
        path: the mask's file.
        retry_missing: see :func:`~convnext_dense.io.files.read_with_retries`.

    Returns:
        Integers (H, W), or (H, W, C) if the mask has several channels; in a palette image the indices.

    Raises:
        UserError: if the mask can't be read or decoded.
    """
    try:
        with open_image(path, retry_missing) as mask:
            tiles = getattr(mask, 'tile', None)  # known before decoding alone
            labels = np.asarray(mask)
    except Exception as error:  # Pillow's decoders raise many types for broken files
        raise UserError(
            f'bad mask {path} ({describe_read_error(error)}): restore it, or remove it with its image'
        ) from None
    if labels.dtype == bool:
        return labels.astype(np.uint8)
    step = GRAY_STEPS.get(str(tiles[0][3])) if tiles else None
    return labels // step if step else labels


def count_labels(labels: np.ndarray) -> dict[int, int]:
    """Count the pixels of each label that occurs in a mask (H, W)."""
    if labels.dtype == np.uint8:
        counts = np.bincount(labels.ravel(), minlength=UNLABELED + 1)
        return {int(label): int(counts[label]) for label in np.flatnonzero(counts)}
    values, numbers = np.unique(labels, return_counts=True)
    return dict(zip(values.tolist(), numbers.tolist(), strict=True))


def _scan(pair: ImageAndMask) -> MaskScan:
    image, mask = pair
    try:
        labels = read_mask(mask)
    except UserError:
        return MaskScan(0, UNREADABLE)
    if labels.ndim != 2:
        return MaskScan(0, EQUAL_CHANNELS if _are_equal(labels) else CHANNELS, str(labels.shape[2]))
    size, sizes = ImageSize.of(labels), _possible_sizes(image)
    if sizes and size not in sizes:
        return MaskScan(0, SIZE, f'{size}, image {sizes[-1]}')
    counts = count_labels(labels)
    largest = max((label for label in counts if label != UNLABELED), default=0)
    return MaskScan(largest, pixels=[(label, number) for label, number in counts.items() if label <= UNLABELED])


def _are_equal(channels: np.ndarray) -> bool:
    """Check whether all channels (H, W, C) show the same, but an opacity that is everywhere the same."""
    count = channels.shape[2]
    colors = channels[..., : count - (count in (2, 4))]
    opacity = channels[..., colors.shape[2] :]
    return bool((colors == colors[..., :1]).all() and (opacity == opacity.max(initial=0)).all())


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


def _flat(scans: Sequence[MaskScan]) -> list[tuple]:
    """Return scans with labels and numbers of pixels in one list each: many small lists take several times as long."""
    return [(*scan[:-1], [number for pair in scan.pixels for number in pair]) for scan in scans]


def _read_cache(file: Path, state: str) -> list[MaskScan] | None:
    try:
        content = json.loads(file.read_text(encoding='utf-8'))
        if content['state'] != state:
            return None
        return [
            MaskScan(largest, fault, detail, list(zip(flat[::2], flat[1::2], strict=True)))
            for largest, fault, detail, flat in content['scans']
        ]
    except (OSError, ValueError, KeyError, TypeError):  # it does not exist, or another program or version wrote it
        return None
