"""Looking at many images at once: what each is like, and whether it can be decoded to its last pixel."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import threading
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image

from ..errors import UserError
from ..io.images import upright_rgb
from .segmentation.mask_scan import UNLABELED, read_mask

CHUNK = 16  # images that a process is given at once
NOT_IMAGES = {  # how files begin that take an image's place now and then, in small letters
    b'<!doctype html': 'an HTML page',
    b'<html': 'an HTML page',
    b'<?xml': 'an XML page',
    b'version https://git-lfs': 'a Git LFS pointer, git lfs pull fetches the image',
}


class Header(NamedTuple):
    """What the first bytes of an image's file say."""

    size: tuple[int, int]
    """Width and height as stored, in pixels."""
    orientation: int
    """EXIF's, 1 to 8: from 2 on the image has to be turned or mirrored, from 5 on its sides change places."""
    mode: str
    """Pillow's, such as ``'RGB'``, ``'L'`` for gray and ``'CMYK'``."""
    format: str
    """Pillow's, such as ``'JPEG'``; told by the content, whatever the file is called."""

    def fits(self, size: tuple[int, int] | None) -> bool:
        """Whether the image, as stored or upright, is of the size that its annotations were made for."""
        return size is None or size in (self.size, self.size[::-1] if self.orientation >= 5 else self.size)


class Look(NamedTuple):
    """An image as it was found."""

    fault: str = ''
    """Why it can't be decoded; there is no header then."""
    header: Header | None = None
    digest: bytes = b''
    """Of the file's content: equal for copies."""
    length: int = 0
    """Of the file, in bytes."""
    labels: dict[int, int] | None = None
    """Pixels of each label in its mask, 255 included; None without a mask that can be read."""


Item = tuple[str, str | None]
"""The paths of an image and its mask."""


def look_at_all(items: Sequence[Item], workers: int, advance: Callable[[], object]) -> list[Look]:
    """Look at each, in so many processes; one works in this process.

    Args:
        items: images, with their masks where they have any.
        workers: processes, at least 1. They end with this function, however it ends.
        advance: called after each image.

    Raises:
        UserError: if a process dies.
    """
    if workers == 1:
        return [_then(advance, look(item)) for item in items]
    # fork, because a fresh process would import the package first
    pool = ProcessPoolExecutor(workers, get_context('fork'), initializer=_in_worker)
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # until the processes know what to do with it
        try:
            looks = pool.map(look, items, chunksize=CHUNK)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        return [_then(advance, one) for one in looks]
    except BrokenProcessPool:
        raise UserError(
            'a process that looks at the images died, perhaps for lack of memory: take fewer with --workers'
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def look(item: Item) -> Look:
    """Decode an image wholly, and count the labels of its mask."""
    path, mask = item
    try:
        with open(path, 'rb') as file:
            content = file.read()
    except OSError as error:
        return Look(error.strerror or type(error).__name__)
    digest = hashlib.blake2b(content, digest_size=16).digest()
    labels = None if mask is None else _labels(mask)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # such as for EXIF that is slightly off
            with Image.open(io.BytesIO(content)) as image:
                header = _header(image)
                upright_rgb(image)
    except Exception as error:  # Pillow's decoders leak whatever a broken file makes them run into
        return Look(_reason(content[:64], error), None, digest, len(content), labels)
    return Look('', header, digest, len(content), labels)


def read_header(path: str) -> Header | str:
    """What an image is like, without decoding it; or why it can't be opened."""
    try:
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter('ignore')
            return _header(image)
    except Exception as error:
        try:
            with open(path, 'rb') as file:
                return _reason(file.read(64), error)
        except OSError as unreadable:
            return unreadable.strerror or type(unreadable).__name__


def _header(image: Image.Image) -> Header:
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    return Header(image.size, orientation if orientation in range(1, 9) else 1, image.mode, image.format or '')


def _reason(start: bytes, error: Exception) -> str:
    if not start:
        return 'it has zero bytes'
    for beginning, what in NOT_IMAGES.items():
        if start.lstrip().lower().startswith(beginning):
            return f'it is {what}'
    if isinstance(error, Image.UnidentifiedImageError):
        return 'no known image format'
    return ' '.join(str(error).split()) or type(error).__name__


def _labels(mask: str) -> dict[int, int] | None:
    try:
        labels = read_mask(mask)
    except UserError:  # named by whoever checks the masks
        return None
    if labels.dtype != np.uint8 or labels.ndim != 2:
        return None
    counts = np.bincount(labels.ravel(), minlength=UNLABELED + 1)
    return {int(label): int(counts[label]) for label in np.flatnonzero(counts)}


def _then(advance: Callable[[], object], result: Look) -> Look:
    advance()
    return result


def _in_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it at once, and without a traceback
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A process that was killed could not end the others."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
