"""Lock that prevents two runs in the same work dir."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import UserError

FILE_NAME = '.run.lock'
TIMEOUT = 6.0
"""Seconds to wait for the lock; the loader workers of a killed run hold it for up to 5 seconds."""


def acquire(work_dir: str | Path) -> FileLock:
    """Lock a work dir for a run; the kernel releases the lock when the process ends for any reason.

    Raises:
        UserError: if another run holds the lock.
    """
    lock = FileLock(Path(work_dir, FILE_NAME))
    try:
        lock.acquire(timeout=TIMEOUT)
    except Timeout:
        raise UserError(
            f'another run is active in work dir {work_dir}: wait until it ends, or choose another with --work-dir'
        ) from None
    return lock
