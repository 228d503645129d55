"""Where a study is stored: a journal file in its work dir, or a database that several machines reach."""

from __future__ import annotations

import errno
import json
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit, urlunsplit

from ..checkpoints.disk import NO_SPACE_ERRNOS
from ..errors import UserError, describe_error

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.storages.journal import JournalFileBackend

T = TypeVar('T')
FILE_NAME = 'study.log'
"""The journal file in a study's work dir."""
RETRIES = (1.0, 5.0, 30.0, 120.0)
"""Seconds before each retry of an access to the storage."""


def open_storage(work_dir: Path, url: str | None) -> BaseStorage:
    """Open a study's storage, and create it where it does not exist.

    Args:
        work_dir: the study's work dir, which exists.
        url: a URL of SQLAlchemy, such as ``sqlite:///study.db`` or ``postgresql://user@host/name``, or the path of a
            journal file; None for :data:`FILE_NAME` in the work dir.

    Raises:
        UserError: if it can't be reached, read or written.
    """
    import optuna
    from optuna.storages import JournalStorage

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings('ignore', category=optuna.exceptions.ExperimentalWarning)
    if url is not None and '://' in url:
        return _open_database(url)
    path = Path(url or work_dir / FILE_NAME).absolute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(_open_journal(path))
    except OSError as error:
        raise UserError(f'the study {path} cannot be used ({_reason(error)}): choose another --storage') from None
    except (ValueError, KeyError, TypeError, AssertionError):
        raise UserError(
            f'{path} is not the journal of a study, or is damaged: choose another --work-dir or --storage'
        ) from None


def shown(url: str) -> str:
    """Return the URL of a storage without its password."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.replace(f':{parts.password}@', ':***@')))


def with_retries(access: Callable[[], T], delays: tuple[float, ...] = RETRIES) -> T:
    """Access a storage, again after a while where it can't be reached for a moment.

    Args:
        access: the access, which may happen twice.
        delays: seconds before each retry.

    Returns:
        What the access returns.

    Raises:
        UserError: if it fails after all retries, or the disk is full.
    """
    from optuna.exceptions import StorageInternalError

    for delay in (*delays, None):
        try:
            return access()
        except (OSError, StorageInternalError) as error:
            full = isinstance(error, OSError) and error.errno in NO_SPACE_ERRNOS
            if delay is None or full:
                raise UserError(
                    f'the study cannot be written ({_reason(error)}): the same command continues it once it can'
                ) from error
            time.sleep(delay)
    raise AssertionError


def _open_database(url: str) -> BaseStorage:
    from optuna.exceptions import StorageInternalError
    from optuna.storages import get_storage
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return get_storage(url)
    except ImportError as error:
        module = getattr(error.__cause__ or error.__context__, 'name', None) or 'its driver'
        raise UserError(f'--storage {shown(url)} needs the package {module}: pip install {module}') from None
    except (SQLAlchemyError, StorageInternalError, OSError, RuntimeError, ValueError) as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error
        text = describe_error(cause)[:160]
        raise UserError(f'--storage {shown(url)} cannot be used ({text}): check that it can be reached') from None


def _open_journal(path: Path) -> JournalFileBackend:
    """Open a journal, of which a killed process may have written a part of the last line.

    The path must be absolute: the lock is a link to it, whose age decides whether its owner is dead.
    """
    from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

    lock = JournalFileSymlinkLock(str(path))
    backend = JournalFileBackend(str(path), lock_obj=lock)
    if _is_torn(path):
        lock.acquire()
        try:
            if _is_torn(path):
                _cut(path)
        finally:
            lock.release()
    elif not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    content = path.read_bytes()  # the backend takes no notice of a last line of something else
    for line in content[: content.rfind(b'\n') + 1].splitlines():
        json.loads(line)['op_code']
    return backend


def _is_torn(path: Path) -> bool:
    """Whether the last line of a journal has no end."""
    with open(path, 'rb') as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        return size > 0 and file.read(1) != b'\n'


def _cut(path: Path) -> None:
    with open(path, 'rb+') as file:
        content = file.read()
        file.truncate(content.rfind(b'\n') + 1)


def _reason(error: BaseException) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else describe_error(error)[:160]
