"""Writing files atomically, so that none is ever half written, and reading files with retries."""

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

TEMPORARY_NAME = re.compile(r'\.\d+\.(.+)')
"""Names of the files that :func:`atomic_write` fills, ``.<process id>.<final name>``; group 1 is the final name.

Such a file is left behind only where its process was killed."""
RETRY_DELAYS = (0.2, 1.0, 5.0)
"""Seconds before each retry of reading a file."""
TRANSIENT_ERRNOS = {
    getattr(errno, name)
    for name in (
        *('EIO', 'ESTALE', 'ETIMEDOUT', 'EAGAIN', 'EBUSY', 'ENODEV', 'EREMOTEIO', 'ENOTCONN', 'ECONNRESET'),
        *('ECONNABORTED', 'ENETDOWN', 'ENETUNREACH', 'EHOSTDOWN', 'EHOSTUNREACH'),
    )
}
"""Errors of disks and network file systems that may be gone a moment later, so that a retry makes sense."""


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Provide a temporary file to write, which replaces ``path`` when the block ends without an error.

    Readers see the old file or the new one, never half of one. The temporary file has the suffix of ``path``, lies
    beside it, and is removed if the block raises.

    Args:
        path: the file to create or replace.

    Yields:
        The path of the temporary file; see :data:`TEMPORARY_NAME`.
    """
    path = Path(path)
    temporary = path.with_name(f'.{os.getpid()}.{path.name}')
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def durable_write(path: str | Path) -> Iterator[Path]:
    """Write a file as :func:`atomic_write` does, and flush it to the disk before it replaces the old one.

    After a power failure ``path`` holds the old content or the new one.
    """
    with atomic_write(path) as temporary:
        yield temporary
        _flush_to_disk(temporary)
    _flush_to_disk(Path(path).parent)


def _flush_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_with_retries(path: str | Path, retry_missing: bool = False) -> bytes:
    """Read a file's content; after a transient error, retry up to three times within about 6 seconds.

    Args:
        path: the file.
        retry_missing: treat a missing file as a transient error too: for files that are known to exist, which a
            network file system may lose for a moment.

    Raises:
        OSError: if the file can't be read; the message has the number of attempts, if there was more than one.
    """
    for attempt, delay in enumerate((*RETRY_DELAYS, None), start=1):
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            if error.errno not in TRANSIENT_ERRNOS and not (retry_missing and error.errno == errno.ENOENT):
                raise
            if delay is None:
                raise OSError(error.errno, f'{error.strerror}, {attempt} times', str(path)) from None
            last_error = error.strerror
            time.sleep(delay)
        else:
            if attempt > 1:
                logging.getLogger('mmengine').warning(f'{path} was read at attempt {attempt} (before: {last_error})')
            return content
    raise AssertionError


def check_input(name: str) -> None:
    """Raise a UserError if an input is neither a path that exists nor a pattern of paths, such as ``*.jpg``."""
    if '://' in name:
        raise UserError(f'{name} is a URL: download the file and name its path')
    if not os.path.exists(name) and not glob.has_magic(name):
        raise UserError(f'no image, folder or video at {name}: check the path')


def ensure_writable_folder(folder: str | Path, name: str = 'work dir', option: str = '--work-dir') -> None:
    """Create a folder if it does not exist, and see that files can be written there.

    Args:
        folder: the folder.
        name: what the error message calls the folder.
        option: the command line option that the error message tells to change.

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


def ensure_writable_files(*files: str | Path) -> None:
    """See, before long work, that files for its results can be written; their folders are created.

    Existing files keep their content, and no empty files are left behind.

    Raises:
        UserError: if one can't be written, with its path.
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
