"""Data loader workers: their number of threads, and the message when one of them dies."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import cv2

from ..errors import UserError

DIED = re.compile(
    r'DataLoader worker \(pid(?:\(s\))? (?P<pid>[\d, ]+)\) (?:is killed by signal: (?P<signal>[^.]+)\.)?'
)
# torch's errors for a batch on its way through shared memory, where its files are called /torch_...
SHARED_MEMORY = re.compile(r'killed by signal: Bus error|unable to [^<\n]*</torch_')
FEWER_WORKERS = 'take fewer workers with --cfg-options train_dataloader.num_workers=N'


def use_one_thread(then: Callable[[int], None] | None, worker_id: int) -> None:
    """Give OpenCV one thread in a loader worker, as torch has there: the other cores are for the other workers.

    Args:
        then: another function to start the worker with, or None.
        worker_id: number of the worker, which ``then`` gets.
    """
    cv2.setNumThreads(0)
    if then is not None:
        then(worker_id)


@contextmanager
def explain_dead_workers() -> Iterator[None]:
    """Turn torch's error for a loader worker that died inside the block into one line with the likely cause.

    Raises:
        UserError: in the place of torch's error.
    """
    try:
        yield
    except (RuntimeError, ConnectionError, EOFError) as error:
        errors = (error, error.__cause__, _from_signal_handler(error))
        texts = [str(one) for one in errors if one is not None]
        deaths = [match for match in map(DIED.match, texts) if match]
        if not deaths and not SHARED_MEMORY.search(texts[0]):
            raise
        raise UserError(_explain(' '.join(texts), deaths)) from error


def _from_signal_handler(error: Exception) -> RuntimeError | None:
    """Wait for torch's own error, raised when the system reports the worker's end just after its connection broke."""
    if isinstance(error, ConnectionError | EOFError):
        try:
            time.sleep(1)
        except RuntimeError as later:
            return later
    return None


def _explain(text: str, deaths: list[re.Match[str]]) -> str:
    signal = next((match['signal'] for match in deaths if match['signal']), None)
    what = f'loader worker {deaths[0]["pid"]} died' if deaths else 'a loader worker failed'
    if SHARED_MEMORY.search(text):
        cause = f'most likely for want of shared memory, {_shared_memory()}: give it more (docker run --shm-size=8g)'
    elif signal in ('Killed', None):
        cause = 'most likely killed for want of memory: give the run more'
    else:
        cause = 'most likely in a decoder: look at the images'
    how = f' ({signal})' if signal else ''
    return f'{what}{how}, {cause}, or {FEWER_WORKERS}; go on from the newest checkpoint with --resume'


def _shared_memory() -> str:
    try:
        usage = shutil.disk_usage('/dev/shm')
    except OSError:
        return 'of which there is none'
    return f'of which /dev/shm has {usage.total / 2**20:.0f} MiB, {usage.free / 2**20:.0f} free'
