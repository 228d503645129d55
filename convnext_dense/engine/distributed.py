"""Failures in a distributed run: when one process fails, all end, and the message is that of the one."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch.distributed as dist
from mmengine.dist import get_dist_info
from torch.distributed.distributed_c10d import _get_default_store
from torch.distributed.elastic.multiprocessing.errors import get_error_handler

from ..errors import Stopped, UserError

FAILED, READ = 'convnext_dense/failed', 'convnext_dense/read'  # keys in the store that the processes share
GRACE_SECONDS = 5.0
"""Time in which torchrun sees which process failed first and ends the others."""
UNKNOWN_CAUSE = (
    'if it says nothing itself, it hangs, or was killed, for want of memory for instance, or its machine is gone; '
    'go on with --resume'
)
NETWORK_ERROR = re.compile(r'gloo|nccl|connection (closed|reset)|broken pipe', re.IGNORECASE)


@contextmanager
def propagate_failures() -> Iterator[None]:
    """End all processes of a distributed run when one of them fails inside the block.

    Processes that reach its end, or stop after a step that they agreed on, leave their group there: if Python ends
    first, a gloo thread that still holds a tensor aborts the process (pytorch/pytorch#190489).

    The process that fails gives the message to read: a UserError says which process it comes from, any other error
    keeps its traceback, which torchrun's summary repeats. In the other processes the next communication with it
    fails; their message names the process that failed instead.

    The others notice: on CPUs (gloo) at once, or, where a machine is gone without closing its connections, after
    the ``timeout`` of the config's ``env_cfg.dist_cfg``; on GPUs (nccl) after that ``timeout``. torchrun ends them at
    once in any case.

    Raises:
        UserError: in the processes that did not fail; and in the one that did, if its error was a UserError.
    """
    try:
        yield
    except Stopped as stop:
        if not stop.at_once:
            _leave()
        raise
    except Exception as error:
        rank, processes = get_dist_info()
        if processes == 1:
            raise
        culprit, why = _first_failure(error, rank, processes)
        if culprit != rank:
            time.sleep(GRACE_SECONDS)
            name = 'another process' if culprit is None else f'process {culprit}'
            raise UserError(f'process {rank} ends because {name} failed: {why}') from error
        if isinstance(error, UserError):
            raise UserError(f'{_line(error)} (process {rank} of {processes})') from error
        get_error_handler().record_exception(error)
        print(f'process {rank} of {processes} failed:', file=sys.stderr)
        raise
    else:
        _leave()


def _leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def _first_failure(error: Exception, rank: int, processes: int) -> tuple[int | None, str]:
    """Return the rank of the process that failed first, None where it is unknown, and the reason.

    It is this process if its error is no consequence of another's, unless another has reported the same reason.
    """
    own = (rank, _line(error))
    consequence = isinstance(error, dist.DistError) or (
        isinstance(error, RuntimeError) and NETWORK_ERROR.search(str(error)) is not None
    )
    try:
        store = _get_default_store()
        if not consequence:
            store.compare_set(FAILED, '', json.dumps(own))
        first = tuple(json.loads(store.get(FAILED))) if store.check([FAILED]) else (None, UNKNOWN_CAUSE)
        _wait_until_all_have_read(store, rank, processes)
    except (RuntimeError, ValueError):  # where no torchrun keeps it, the store ends with process 0
        first = (0, UNKNOWN_CAUSE)
    return first if consequence or first[1] == own[1] else own


def _wait_until_all_have_read(store: dist.Store, rank: int, processes: int) -> None:
    """Keep the store alive, which ends with process 0, until each process has read the reason, or for a second."""
    store.add(READ, 1)
    end = time.monotonic() + 1
    while rank == 0 and store.add(READ, 0) < processes and time.monotonic() < end:
        time.sleep(0.05)


def _line(error: Exception) -> str:
    if isinstance(error, UserError):  # from a loader worker it comes with the worker's traceback before it
        return str(error).strip().rsplit('UserError: ', 1)[-1]
    return f'{type(error).__name__}: {" ".join(str(error).split())}'
