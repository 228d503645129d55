"""Processes of a distributed run that end together when one fails, with the message of that one."""

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

FAILED, SEEN = 'convnext_dense/failed', 'convnext_dense/seen'  # keys of the store that the processes share
PATIENCE = 5.0
"""Seconds: torchrun has then seen which process failed first, and has ended the others."""
SILENT = (
    'if it says nothing itself, it hangs, or was killed, for want of memory for instance, or its machine is gone; '
    'go on with --resume'
)
NETWORK = re.compile(r'gloo|nccl|connection (closed|reset)|broken pipe', re.IGNORECASE)


@contextmanager
def ending_together() -> Iterator[None]:
    """Where a process of a distributed run fails inside the block, the others end too.

    Processes that reach its end, or stop after a step that they agreed on, leave their group there: if Python goes
    first, a thread of gloo's that still holds a tensor aborts the process (pytorch/pytorch#190489).

    Of one that fails, the message is the one to read: a UserError says which process it comes from, any other error
    keeps its traceback, which torchrun's summary repeats. The others, whose next exchange with it fails, name it
    instead of that exchange.

    How soon they notice: on CPUs (gloo) at once, or, where a machine is gone without closing its connections, after
    the ``timeout`` of the config's ``env_cfg.dist_cfg``; on GPUs (nccl) after that ``timeout``. torchrun ends them at
    once in any case.

    Raises:
        UserError: in the processes that did not fail; and in the one that did, if it was one.
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
            time.sleep(PATIENCE)
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
    """The process that failed, where that is known, and why.

    An error of its own makes this process the one, unless another has said the same before.
    """
    own = (rank, _line(error))
    consequence = isinstance(error, dist.DistError) or (
        isinstance(error, RuntimeError) and NETWORK.search(str(error)) is not None
    )
    try:
        store = _get_default_store()
        if not consequence:
            store.compare_set(FAILED, '', json.dumps(own))
        first = tuple(json.loads(store.get(FAILED))) if store.check([FAILED]) else (None, SILENT)
        _let_all_see(store, rank, processes)
    except (RuntimeError, ValueError):  # where no torchrun keeps it, the store ends with process 0
        first = (0, SILENT)
    return first if consequence or first[1] == own[1] else own


def _let_all_see(store: dist.Store, rank: int, processes: int) -> None:
    """Where all fail alike, the store must not end before the last one has looked into it."""
    store.add(SEEN, 1)
    end = time.monotonic() + 1
    while rank == 0 and store.add(SEEN, 0) < processes and time.monotonic() < end:
        time.sleep(0.05)


def _line(error: Exception) -> str:
    if isinstance(error, UserError):  # from a loader worker it comes with the worker's traceback before it
        return str(error).strip().rsplit('UserError: ', 1)[-1]
    return f'{type(error).__name__}: {" ".join(str(error).split())}'
