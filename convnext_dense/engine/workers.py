"""Data loader workers: their number of threads, and a clear error when one of them dies."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import cv2

from ..errors import UserError, WorkerOutOfMemory

DIED = re.compile(
    r'DataLoader worker \(pid(?:\(s\))? (?P<pid>[\d, ]+)\) (?:is killed by signal: (?P<signal>[^.]+)\.)?'
)
# torch's errors for batches in shared memory, where its files are named /torch_...
SHARED_MEMORY = re.compile(r'killed by signal: Bus error|unable to [^<\n]*</torch_')


def use_one_thread(then: Callable[[int], None] | None, worker_id: int) -> None:
    """Limit OpenCV to one thread in a loader worker, as torch does, since the other workers use the other cores.

    Args:
        then: another function to initialize the worker, or None.
        worker_id: number of the worker, passed to ``then``.
    """
    cv2.setNumThreads(0)
    if then is not None:
        then(worker_id)


@contextmanager
def explain_dead_workers(loader: str = 'train_dataloader', resumes: bool = True) -> Iterator[None]:
    """Context that converts torch's error for a dead loader worker to a UserError with the likely cause.

    Args:
        loader: the config's data loader, for the advice.
        resumes: whether a run can be continued.

    Raises:
        UserError: instead of torch's error.
    """
    try:
        yield
    except (RuntimeError, ConnectionError, EOFError) as error:
        errors = (error, error.__cause__, _from_signal_handler(error))
        texts = [str(e) for e in errors if e is not None]
        deaths = [match for match in map(DIED.match, texts) if match]
        if not deaths and not SHARED_MEMORY.search(texts[0]):
            raise
        advice = f'use fewer workers with --cfg-options {loader}.num_workers=N'
        advice += '; continue from the newest checkpoint with --resume' if resumes else ''
        raise _explain(' '.join(texts), deaths, loader, advice) from error


def _from_signal_handler(error: Exception) -> RuntimeError | None:
    """Wait for torch's own error, which follows when the system reports the end of a worker whose connection broke."""
    if isinstance(error, ConnectionError | EOFError):
        try:
            time.sleep(1)
        except RuntimeError as later:
            return later
    return None


def _explain(text: str, deaths: list[re.Match[str]], loader: str, advice: str) -> UserError:
    signal: str | None = next((match['signal'] for match in deaths if match['signal']), None)
    event = f'loader worker {deaths[0]["pid"]} died' if deaths else 'a loader worker failed'
    event += f' ({signal})' if signal else ''
    if SHARED_MEMORY.search(text):
        cause = f'most likely out of shared memory ({_shared_memory()}): provide more (docker run --shm-size=8g)'
    elif signal in ('Killed', None):
        return WorkerOutOfMemory(f'{event}, most likely killed because it ran out of memory', loader, advice)
    else:
        cause = 'most likely in an image decoder: check the images'
    return UserError(f'{event}, {cause}, or {advice}')


def _shared_memory() -> str:
    try:
        usage = shutil.disk_usage('/dev/shm')
    except OSError:
        return 'there is none'
    return f'/dev/shm has {usage.total / 2**20:.0f} MiB, {usage.free / 2**20:.0f} free'
