"""The lock that keeps a second run out of a work dir."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import UserError

FILE_NAME = '.run.lock'
TIMEOUT = 6.0
"""Seconds to wait for the lock: a stopped run takes time to end, and a killed one's loader workers live on for 5."""


def acquire(work_dir: str | Path) -> FileLock:
    """Lock a work dir for a run. The kernel releases the lock when the process ends, however it ends.

    Raises:
        UserError: if another run holds the lock.
    """
    lock = FileLock(Path(work_dir, FILE_NAME))
    try:
        lock.acquire(timeout=TIMEOUT)
    except Timeout:
        raise UserError(
            f'another run is going on in work dir {work_dir}: wait for its end, or choose another with --work-dir'
        ) from None
    return lock
