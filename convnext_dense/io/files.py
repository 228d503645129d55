"""Writing files that are whole at every moment, and reading files with patience."""

from __future__ import annotations

import errno
import glob
import logging
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import UserError

TEMPORARY = re.compile(r'\.\d+\.(.+)')  # '.<process>.<name>': a file that is being written, or was when it was killed
WAITS = (0.2, 1.0, 5.0)
"""Seconds before each further attempt to read a file."""
PASSING = {
    getattr(errno, name)
    for name in (
        *('EIO', 'ESTALE', 'ETIMEDOUT', 'EAGAIN', 'EBUSY', 'ENODEV', 'EREMOTEIO', 'ENOTCONN', 'ECONNRESET'),
        *('ECONNABORTED', 'ENETDOWN', 'ENETUNREACH', 'EHOSTDOWN', 'EHOSTUNREACH'),
    )
}
"""Errors of disks and network file systems that may pass."""


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """A file to write beside ``path``, with the same suffix, which takes its place when the block ends well.

    However the block ends, there is never half a file at ``path``, and nothing is left beside it; only a process that
    is killed leaves what :data:`TEMPORARY` matches.
    """
    path = Path(path)
    temporary = path.with_name(f'.{os.getpid()}.{path.name}')
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def durable(path: str | Path) -> Iterator[Path]:
    """As :func:`whole`, and on the disk when the block has ended: a machine that fails loses neither old nor new."""
    with whole(path) as temporary:
        yield temporary
        _flush(temporary)
    _flush(Path(path).parent)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_bytes(path: str | Path, seen: bool = False) -> bytes:
    """A file's content; after an error that may pass, three more attempts are made, over 6 seconds.

    Args:
        path: the file.
        seen: it was there before, so that its absence may pass too.

    Raises:
        OSError: with the number of attempts, if there was more than one.
    """
    for attempt, wait in enumerate((*WAITS, None), start=1):
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            if error.errno not in PASSING and not (seen and error.errno == errno.ENOENT):
                raise
            if wait is None:
                raise OSError(error.errno, f'{error.strerror}, {attempt} times', str(path)) from None
            said = error.strerror
            time.sleep(wait)
        else:
            if attempt > 1:
                logging.getLogger('mmengine').warning(f'{path} was read at attempt {attempt} (before: {said})')
            return content
    raise AssertionError


def check_input(name: str) -> None:
    """Raise a UserError if an input is neither a path that exists nor a pattern of paths, such as ``*.jpg``."""
    if '://' in name:
        raise UserError(f'{name} is a URL: download the file and name its path')
    if not os.path.exists(name) and not glob.has_magic(name):
        raise UserError(f'no image, folder or video at {name}: check the path')


def check_folder(folder: str | Path, name: str = 'work dir', option: str = '--work-dir') -> None:
    """Make the folder where there is none.

    Raises:
        UserError: if files can't be written there.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(
            f'{name} {folder} cannot be written ({error.strerror}): choose another with {option}'
        ) from None


def check_writable(*files: str | Path) -> None:
    """Find out before long work whether its results can be written; their folders are made.

    Raises:
        UserError: if one can't, with its name.
    """
    for file in map(Path, files):
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            new = not file.exists()
            with open(file, 'a'):
                pass
            if new:  # work that fails must not leave empty results
                file.unlink()
        except OSError as error:
            raise UserError(f'{file} cannot be written ({error.strerror}): choose another place') from None
