"""One run in a work dir at a time."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import UserError

FILE_NAME = '.run.lock'
PATIENCE = 6.0  # seconds: a stopped run takes its time to end, and a killed one's loader workers live on for 5


def take(work_dir: str | Path) -> FileLock:
    """Lock a work dir for a run. The kernel releases it when the process ends, however it ends.

    Raises:
        UserError: if another run has it.
    """
    lock = FileLock(Path(work_dir, FILE_NAME))
    try:
        lock.acquire(timeout=PATIENCE)
    except Timeout:
        raise UserError(
            f'another run is going on in work dir {work_dir}: wait for its end, or choose another with --work-dir'
        ) from None
    return lock
