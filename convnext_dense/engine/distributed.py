"""Failures in a distributed run: if one process fails, all end, and its message is shown."""

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
"""Time for torchrun to see which process failed first and to end the others."""
UNKNOWN_CAUSE = (
    'if it prints no error, it hangs, was killed (out of memory, for example), or its machine is down; '
    'continue with --resume'
)
NETWORK_ERROR = re.compile(r'gloo|nccl|connection (closed|reset)|broken pipe', re.IGNORECASE)


@contextmanager
def propagate_failures() -> Iterator[None]:
    """Context that ends all processes of a distributed run when one of them fails.

    The failing process prints the error: a UserError with the number of its process, any other error with its
    traceback, which torchrun's summary repeats. In the other processes the next communication fails, and their message
    names the process that failed.

    The others notice the failure at once on CPUs (gloo), or, if a machine goes down without closing its connections,
    after the ``timeout`` in the config's ``env_cfg.dist_cfg``; on GPUs (nccl) after that ``timeout``. torchrun always
    ends them at once.

    Processes that finish, or that stop together after a step, destroy their process group at the end of the block.
    Its threads may live on, since DDP refers to them: see the end of :func:`convnext_dense.cli.run_command`.

    Raises:
        UserError: in the processes that did not fail, and in the failing one if its error is a UserError.
    """
    try:
        yield
    except Stopped as stop:
        if not stop.at_once:
            _destroy_process_group()
        raise
    except Exception as error:
        rank, processes = get_dist_info()
        if processes == 1:
            raise
        failed_rank, reason = _first_failure(error, rank, processes)
        if failed_rank != rank:
            time.sleep(GRACE_SECONDS)
            name = 'another process' if failed_rank is None else f'process {failed_rank}'
            raise UserError(f'process {rank} ends because {name} failed: {reason}') from error
        if isinstance(error, UserError):
            raise UserError(f'{_one_line(error)} (process {rank} of {processes})') from error
        get_error_handler().record_exception(error)
        print(f'process {rank} of {processes} failed:', file=sys.stderr)
        raise
    else:
        _destroy_process_group()


def _destroy_process_group() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def _first_failure(error: Exception, rank: int, processes: int) -> tuple[int | None, str]:
    """Return the rank of the process that failed first, or None if it is unknown, and the reason.

    It is this process if its error was not caused by another's failure, unless another reported the same reason first.
    """
    own = (rank, _one_line(error))
    consequence = isinstance(error, dist.DistError) or (
        isinstance(error, RuntimeError) and NETWORK_ERROR.search(str(error)) is not None
    )
    try:
        store = _get_default_store()
        if not consequence:
            store.compare_set(FAILED, '', json.dumps(own))
        first = tuple(json.loads(store.get(FAILED))) if store.check([FAILED]) else (None, UNKNOWN_CAUSE)
        _wait_until_all_have_read(store, rank, processes)
    except (RuntimeError, ValueError):  # without torchrun, the store lives in process 0
        first = (0, UNKNOWN_CAUSE)
    return first if consequence or first[1] == own[1] else own


def _wait_until_all_have_read(store: dist.Store, rank: int, processes: int) -> None:
    """Keep process 0, and so the store, alive until all processes have read the reason, but at most a second."""
    store.add(READ, 1)
    end = time.monotonic() + 1
    while rank == 0 and store.add(READ, 0) < processes and time.monotonic() < end:
        time.sleep(0.05)


def _one_line(error: Exception) -> str:
    if isinstance(error, UserError):  # from a loader worker, it follows the worker's traceback
        return str(error).strip().rsplit('UserError: ', 1)[-1]
    return f'{type(error).__name__}: {" ".join(str(error).split())}'
