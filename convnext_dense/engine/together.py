"""Processes of a distributed run that end together when one fails, with the message of that one."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch.distributed as dist
from mmengine.dist import get_backend, get_dist_info
from torch.distributed.distributed_c10d import _get_default_store
from torch.distributed.elastic.multiprocessing.errors import get_error_handler

from ..errors import UserError

FAILED, SEEN = 'convnext_dense/failed', 'convnext_dense/seen'  # keys of the store that the processes share
PATIENCE = 5.0
"""Seconds: torchrun has then seen which process failed first, and has ended the others."""
NETWORK = re.compile(r'gloo|nccl|connection (closed|reset)|broken pipe', re.IGNORECASE)


@contextmanager
def failing_together() -> Iterator[None]:
    """Where a process of a distributed run fails inside the block, the others end too.

    Its message is the one to read: a UserError says which process it comes from, any other error keeps its traceback,
    which torchrun's summary repeats. The others, whose next exchange with it fails, name it instead of that exchange.

    How soon they notice: on CPUs (gloo) at once, or, where a machine is gone without closing its connections, after
    the ``timeout`` of the config's ``env_cfg.dist_cfg``; on GPUs (nccl) after that ``timeout``. torchrun ends them at
    once in any case.

    Raises:
        UserError: in the processes that did not fail; and in the one that did, if it was one.
    """
    try:
        yield
    except Exception as error:
        rank, processes = get_dist_info()
        if processes == 1:
            raise
        failure = _first_failure(error, rank)
        if failure is None or failure[0] != rank:
            time.sleep(PATIENCE)
            raise UserError(_because(rank, failure)) from error
        if rank == 0:
            _hold_the_store(processes)
        if isinstance(error, UserError):
            raise UserError(f'{_line(error)} (process {rank} of {processes})') from error
        get_error_handler().record_exception(error)
        print(f'process {rank} of {processes} failed:', file=sys.stderr)
        raise


def _first_failure(error: Exception, rank: int) -> tuple[int, str] | None:
    """The process that failed, with what it says; None if it has ended without a word.

    An error of its own makes this the one, unless another one has said the same before.
    """
    own = (rank, _line(error))
    consequence = isinstance(error, dist.DistError) or (
        isinstance(error, RuntimeError) and NETWORK.search(str(error)) is not None
    )
    try:
        store = _get_default_store()
        if not consequence:
            store.compare_set(FAILED, '', json.dumps(own))
        first = tuple(json.loads(store.get(FAILED))) if store.check([FAILED]) else None
        store.add(SEEN, 1)
    except (RuntimeError, ValueError):  # gone, with process 0
        first = None
    if consequence or (first and first[1] == own[1]):
        return first
    return own


def _hold_the_store(processes: int) -> None:
    """Where no torchrun keeps it, the store ends with process 0: let the others look into it before."""
    store = _get_default_store()
    if get_backend() == 'gloo':
        dist.destroy_process_group()  # wakes those that wait for this one
    end = time.monotonic() + PATIENCE
    while store.add(SEEN, 0) < processes and time.monotonic() < end:
        time.sleep(0.1)


def _because(rank: int, failure: tuple[int, str] | None) -> str:
    if failure is None:
        return (
            f'process {rank} has lost another one of this run, which ended without a word: it was killed, for want of '
            'memory for instance, or its machine is gone; go on with --resume'
        )
    return f'process {rank} ends because process {failure[0]} failed: {failure[1]}'


def _line(error: Exception) -> str:
    if isinstance(error, UserError):  # from a loader worker it comes with the worker's traceback before it
        return str(error).strip().rsplit('UserError: ', 1)[-1]
    return f'{type(error).__name__}: {" ".join(str(error).split())}'
