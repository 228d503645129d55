"""Looking at every mask of a data set once, and remembering what was seen."""

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
from ...io.images import describe_read_error, open_image

UNLABELED = 255
SCAN_VERSION = 1
"""Goes up when masks are looked at in another way: what was remembered of them is then out of date."""
UNREADABLE = 'unreadable'
CHANNELS = 'with several channels'
SIZE = 'of another size than the image'

Pair = tuple[str, str]
"""The paths of an image and its mask."""


class Look(NamedTuple):
    """A mask's largest label, 255 aside (0 where there is none); or its fault, one of the above, and the details."""

    largest: int
    fault: str = ''
    detail: str = ''


def scan(pairs: Sequence[Pair]) -> list[Look]:
    """Look at every mask, or remember what was seen as long as no file has changed. Processes wait for each other."""
    looks: list[Look] | None = None
    try:
        state, file = _state(pairs), _cache_file(pairs)
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(file.with_suffix('.lock')):
            looks = _remembered(file, state)
            if looks is None:
                looks = _look_at_all(pairs)
                if not any(look.fault == UNREADABLE for look in looks):  # that may fix without a change of the file
                    partial = file.with_suffix('.partial')
                    partial.write_text(json.dumps({'state': state, 'looks': looks}), encoding='utf-8')
                    partial.replace(file)
    except OSError as error:
        logging.getLogger('mmengine').warning(
            f'cannot remember what is in the masks ({error}), every start will read them all: '
            'set CONVNEXT_DENSE_CACHE to a folder you can write'
        )
    return _look_at_all(pairs) if looks is None else looks


def read_mask(path: str, retry_missing: bool = False) -> np.ndarray:
    """The labels of a mask, (H, W); more dimensions where it has several channels.

    ``retry_missing``: see :func:`~convnext_dense.io.images.open_image`.

    Raises:
        UserError: if it can't be read or decoded, with its path.
    """
    try:
        with open_image(path, retry_missing) as mask:
            return np.asarray(mask)
    except Exception as error:  # Pillow's decoders leak whatever a broken file makes them run into
        raise UserError(
            f'bad mask {path} ({describe_read_error(error)}): restore it, or remove it with its image'
        ) from None


def _look(pair: Pair) -> Look:
    image, mask = pair
    try:
        labels = read_mask(mask)
    except UserError:
        return Look(0, UNREADABLE)
    if labels.ndim != 2:
        return Look(0, CHANNELS, str(labels.shape[2]))
    height, width = labels.shape
    sizes = _sizes(image)
    if sizes and (width, height) not in sizes:
        return Look(0, SIZE, f'{width} x {height}, image {" x ".join(map(str, sizes[-1]))}')
    largest = int(labels.max())
    if largest == UNLABELED:
        largest = int(labels[labels != UNLABELED].max(initial=0))
    return Look(largest)


def _sizes(image: str) -> list[tuple[int, int]]:
    """Width and height of an image as it is stored and, where its EXIF turns it, turned; none if it is unreadable."""
    try:
        with Image.open(image) as opened:
            width, height = opened.size
            on_its_side = opened.getexif().get(ExifTags.Base.Orientation, 1) >= 5
    except Exception:  # reading it for training names it, or skips it
        return []
    return [(width, height), (height, width)] if on_its_side else [(width, height)]


def _look_at_all(pairs: Sequence[Pair]) -> list[Look]:
    with ThreadPoolExecutor() as pool:
        return list(pool.map(_look, pairs))


def _state(pairs: Sequence[Pair]) -> str:
    """A digest that changes when a file is added, removed, renamed or written."""
    files = [(file, *_written(file)) for pair in pairs for file in pair]
    return hashlib.blake2b(repr((SCAN_VERSION, files)).encode('utf-8', 'surrogateescape')).hexdigest()


def _written(file: str) -> tuple[int, int]:
    try:
        status = os.stat(file)
    except OSError:  # a dangling link: unreadable
        return 0, 0
    return status.st_size, status.st_mtime_ns


def _cache_file(pairs: Sequence[Pair]) -> Path:
    folder = os.path.realpath(os.path.dirname(pairs[0][1]))
    return cache_folder() / f'masks-{hashlib.blake2b(os.fsencode(folder), digest_size=8).hexdigest()}.json'


def _remembered(file: Path, state: str) -> list[Look] | None:
    try:
        content = json.loads(file.read_text(encoding='utf-8'))
        return [Look(*look) for look in content['looks']] if content['state'] == state else None
    except (OSError, ValueError, KeyError, TypeError):  # not there, or not what we wrote
        return None
