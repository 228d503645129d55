"""Write files atomically, so that no file is ever half written, and read files with retries."""

from __future__ import annotations

import errno
import glob
import logging
import os
import re
import shutil
import socket
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UserError

if TYPE_CHECKING:
    from filelock import FileLock

TEMPORARY_NAME = re.compile(r'\.\d+\.(.+)')
"""Names of the files that :func:`atomic_write` fills, ``.<thread id>.<final name>``; group 1 is the final name.

Such a file is left behind only if its process was killed."""
HOST = re.sub(r'\W', '-', socket.gethostname())[:32] or 'host'
"""Name of this machine in names of files."""
LOCK_TIMEOUT = 5
"""Seconds to wait for the lock of a new name, which no other process can have."""
RETRY_DELAYS = (0.2, 1.0, 5.0)
"""Seconds before each retry of reading a file."""
TRANSIENT_ERRNOS = {
    getattr(errno, name)
    for name in (
        *('EIO', 'ESTALE', 'ETIMEDOUT', 'EAGAIN', 'EBUSY', 'ENODEV', 'EREMOTEIO', 'ENOTCONN', 'ECONNRESET'),
        *('ECONNABORTED', 'ENETDOWN', 'ENETUNREACH', 'EHOSTDOWN', 'EHOSTUNREACH'),
    )
}
"""Errors of disks and network file systems that may be temporary, so that a retry makes sense."""


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Context that provides a temporary file to write, which replaces ``path`` if the block ends without an error.

    Readers see either the complete old file or the complete new one. The temporary file is in the same folder, has the
    suffix of ``path``, and is removed if the block raises an error.

    Args:
        path: the file to create or replace.

    Yields:
        The path of the temporary file; see :data:`TEMPORARY_NAME`.
    """
    path = Path(path)
    temporary = path.with_name(f'.{threading.get_native_id()}.{path.name}')  # in a main thread on Linux, the process's
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def durable_write(path: str | Path) -> Iterator[Path]:
    """Context like :func:`atomic_write` that flushes the file to disk before it replaces the old one.

    So even after a power failure ``path`` has either the old content or the new one.
    """
    with atomic_write(path) as temporary:
        yield temporary
        _flush_to_disk(temporary)
    _flush_to_disk(Path(path).parent)


@contextmanager
def atomic_folder(path: str | Path, option: str = '') -> Iterator[Path]:
    """Context that provides a temporary folder to fill, which becomes ``path`` if the block ends without an error.

    The temporary folder is a :func:`temporary_folder` beside ``path``. Errors of the block pass as they are: those of
    writing into the folder are for :func:`write_errors`.

    Args:
        path: a folder that does not exist or is empty.
        option: the command-line option that sets the folder, for error messages.

    Yields:
        The path of the temporary folder.

    Raises:
        UserError: if there is something at ``path`` already, or the folder can't be written.
    """
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise UserError(f'{path} is a file: name a new folder')
    full = Path(os.path.realpath(path))
    with write_errors(path, option):
        if path.is_dir() and any(path.iterdir()):
            raise UserError(f'{path} is not empty: name a new folder, or empty it first')
        if path.is_dir() and path.samefile('.'):  # which would be removed under the user's feet
            raise UserError(f'{path} is the current folder: name a new folder in it')
        full.parent.mkdir(parents=True, exist_ok=True)
    with temporary_folder(full, path, option) as temporary:
        yield temporary
        with write_errors(path, option):
            if full.exists():
                full.rmdir()
            temporary.rename(full)


@contextmanager
def replaced_folder(path: str | Path, marker: str, option: str = '') -> Iterator[Path]:
    """Context that provides a temporary folder to fill, which replaces ``path`` if the block ends without an error.

    So the folder at ``path`` is the complete earlier one or the complete new one.

    Args:
        path: the folder, which may not exist.
        marker: the name of a file that folders of this kind have: any other folder is left alone unless it is empty.
        option: the command-line option that sets the folder, for error messages.

    Yields:
        The path of the temporary folder, which is beside ``path``.

    Raises:
        UserError: see :func:`check_replaceable`; or if the folder can't be written.
    """
    check_replaceable(path, marker, option)
    full = Path(os.path.realpath(path))
    with write_errors(path, option):
        full.parent.mkdir(parents=True, exist_ok=True)
    with temporary_folder(full, path, option) as temporary:
        yield temporary
        with write_errors(path, option), tempfile.TemporaryDirectory(prefix='.', dir=full.parent) as trash:
            earlier = Path(trash, full.name)
            if full.exists():
                full.rename(earlier)
            try:
                temporary.rename(full)
            except BaseException:
                if earlier.exists() and not full.exists():
                    earlier.rename(full)
                raise


def check_replaceable(path: str | Path, marker: str, option: str = '') -> None:
    """Check that a folder can be replaced: that there is none, an empty one, or one of the same kind.

    Args:
        path, marker, option: see :func:`replaced_folder`.

    Raises:
        UserError: if there is something else.
    """
    path = Path(path)
    elsewhere = f'name a new folder with {option}' if option else 'name a new folder'
    if (path.exists() or path.is_symlink()) and not path.is_dir():
        raise UserError(f'{path} is a file: {elsewhere}')
    if path.is_dir() and any(path.iterdir()) and not (path / marker).is_file():
        raise UserError(f'{path} holds other files and no {marker}, so that it is not replaced: {elsewhere}')
    if path.is_dir() and path.samefile('.'):  # which would be removed under the user's feet
        raise UserError(f'{path} is the current folder: {elsewhere}')


@contextmanager
def temporary_folder(beside: Path, named: str | Path, option: str = '') -> Iterator[Path]:
    """Context that provides a temporary folder beside a path, and removes it at the end unless it was moved away.

    If the process was killed, the next call for the same path on the same machine removes it.

    Args:
        beside: an absolute path in a folder that exists.
        named: what the user asked to write, for error messages.
        option: the command-line option that sets it, for error messages.

    Yields:
        The path of the temporary folder.

    Raises:
        UserError: if the folder can't be made.
    """
    from filelock import FileLock  # commands start without it

    temporary = beside.with_name(f'.{HOST}.{uuid.uuid4().hex[:8]}.{beside.name}.partial')
    lock = FileLock(f'{temporary}.lock')
    try:
        with write_errors(named, option):
            _remove_abandoned(beside)
            temporary.mkdir()  # before the lock, which would wait forever for a folder that takes no files
            with suppress(NotImplementedError):  # a file system without locks: its folders are never abandoned ones
                lock.acquire(timeout=LOCK_TIMEOUT)
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        _release(lock)


@contextmanager
def write_errors(path: str | Path, option: str = '') -> Iterator[None]:
    """Context that turns an OSError of its block, which does nothing but write, into a UserError that names ``path``.

    Args:
        path: what the user asked to write.
        option: the command-line option that sets it.
    """
    try:
        yield
    except OSError as error:
        elsewhere = f'choose another with {option}' if option else 'choose another place'
        raise UserError(f'{path} cannot be written ({error.strerror or error}): {elsewhere}') from None


def _remove_abandoned(path: Path) -> None:
    """Remove the temporary folders of :func:`temporary_folder` whose processes on this machine have ended.

    A process holds the lock of its folder, which the kernel releases when it ends. Locks of other machines are not
    asked for, since not every shared disk tells of them.
    """
    from filelock import FileLock, Timeout  # commands start without it

    for file in path.parent.glob(f'.{HOST}.*.{glob.escape(path.name)}.partial.lock'):
        lock = FileLock(file)
        try:
            lock.acquire(blocking=False)
        except (Timeout, OSError, NotImplementedError):  # it runs, or can't be asked
            continue
        shutil.rmtree(file.with_suffix(''), ignore_errors=True)
        _release(lock)


def _release(lock: FileLock) -> None:
    lock.release()
    with suppress(OSError):
        os.unlink(lock.lock_file)


def _flush_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_with_retries(path: str | Path, retry_missing: bool = False, count: int = -1) -> bytes:
    """Read a file, or its start, with up to three retries within about 6 seconds after transient errors.

    Args:
        path: the file.
        retry_missing: also retry if the file is missing, for files that are known to exist on a network file system
            that may be unavailable for a moment.
        count: number of bytes, -1 for all.

    Raises:
        OSError: if the file can't be read; the message has the number of attempts, if there was more than one.
    """
    for attempt, delay in enumerate((*RETRY_DELAYS, None), start=1):
        try:
            content = Path(path).read_bytes() if count < 0 else _read_start(path, count)
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


def _read_start(path: str | Path, count: int) -> bytes:
    with open(path, 'rb') as file:
        return file.read(count)


def check_input(name: str) -> None:
    """Raise a UserError if an input is neither an existing path nor a glob pattern, such as ``*.jpg``."""
    if '://' in name:
        raise UserError(f'{name} is a URL: download the file and give its path')
    if not os.path.exists(name) and not glob.has_magic(name):
        raise UserError(f'no image, folder or video at {name}: check the path')


def check_parent(path: str | Path, option: str = '') -> None:
    """Check that there is a folder in which a file or folder is to be made, so that a typo makes none.

    Args:
        path: the file or folder.
        option: the command-line option that sets it, for the error message.

    Raises:
        UserError: if there is no such folder.
    """
    parent = Path(path).parent
    if not parent.exists():
        raise UserError(f'{option} {path}: there is no folder {parent}: make it first, or name another place'.lstrip())


def ensure_writable_folder(folder: str | Path, name: str = 'work dir', option: str = '--work-dir') -> None:
    """Create a folder if it does not exist, and check that files can be written to it.

    Args:
        folder: the folder.
        name: description of the folder for the error message.
        option: the command-line option that sets the folder, for the error message.

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
    """Check before a long computation that its result files can be written.

    Existing files keep their content, and no empty files are left behind.

    Raises:
        UserError: if a file can't be written, or there is no folder for it.
    """
    for file in map(Path, files):
        check_parent(file)
        try:
            new = not file.exists()
            with open(file, 'a'):
                pass
            if new:  # a failed computation must not leave empty results
                file.unlink()
        except OSError as error:
            raise UserError(f'{file} cannot be written ({error.strerror}): choose another place') from None
