"""Loader workers: how they start, and what is said when they die."""

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
# what torch says of a batch on its way through shared memory; its files there are called /torch_...
SHARED = re.compile(r'killed by signal: Bus error|unable to [^<\n]*</torch_')
FEWER = 'take fewer workers with --cfg-options train_dataloader.num_workers=N'


def pin_worker(then: Callable[[int], None] | None, worker_id: int) -> None:
    """Start a loader worker with one thread of OpenCV, as torch does with its own: the other cores are other workers'.

    Args:
        then: what else a worker starts with.
    """
    cv2.setNumThreads(0)
    if then is not None:
        then(worker_id)


@contextmanager
def explaining_dead_workers() -> Iterator[None]:
    """Turn torch's error for a loader worker that died into one line with the likely cause.

    Raises:
        UserError: instead of it.
    """
    try:
        yield
    except (RuntimeError, ConnectionError, EOFError) as error:
        said = [str(one) for one in (error, error.__cause__, _from_the_signal_handler(error)) if one is not None]
        died = [match for match in map(DIED.match, said) if match]
        if not died and not SHARED.search(said[0]):
            raise
        raise UserError(_explain(' '.join(said), died)) from error


def _from_the_signal_handler(error: Exception) -> RuntimeError | None:
    """What torch says when the system reports the end of the worker, just after its connection has broken."""
    if isinstance(error, ConnectionError | EOFError):
        try:
            time.sleep(1)
        except RuntimeError as later:
            return later
    return None


def _explain(said: str, died: list[re.Match[str]]) -> str:
    signal = next((match['signal'] for match in died if match['signal']), None)
    what = f'loader worker {died[0]["pid"]} died' if died else 'a loader worker failed'
    if SHARED.search(said):
        cause = f'most likely for want of shared memory, {_shared_memory()}: give it more (docker run --shm-size=8g)'
    elif signal in ('Killed', None):
        cause = 'most likely killed for want of memory: give the run more'
    else:
        cause = 'most likely in a decoder: look at the images'
    how = f' ({signal})' if signal else ''
    return f'{what}{how}, {cause}, or {FEWER}; go on from the newest checkpoint with --resume'


def _shared_memory() -> str:
    try:
        usage = shutil.disk_usage('/dev/shm')
    except OSError:
        return 'of which there is none'
    return f'of which /dev/shm has {usage.total / 2**20:.0f} MiB, {usage.free / 2**20:.0f} free'
