"""Processes of a distributed run, forked from the test: they need not import anything anew."""

import os
import socket
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from mmengine.logging import MMLogger


class Ended(NamedTuple):
    """How a process ended: its exit code, or minus the signal, and what it wrote."""

    code: int
    out: str
    err: str
    seconds: float


def run(
    function: Callable[[int], int], folder: Path, processes: int = 2, environment: Mapping[str, str] | None = None
) -> list[Ended]:
    """Call ``function(rank)``, which returns the exit code, in processes as a plain launcher starts them."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    started = {_start(function, rank, processes, port, folder, environment or {}): rank for rank in range(processes)}
    begin, ended = time.monotonic(), {}
    while started:
        pid, status = os.wait()
        if pid in started:
            rank = started.pop(pid)
            out, err = (Path(folder, f'{rank}.{stream}').read_text() for stream in ('out', 'err'))
            ended[rank] = Ended(os.waitstatus_to_exitcode(status), out, err, time.monotonic() - begin)
    return [ended[rank] for rank in range(processes)]


def _start(
    function: Callable[[int], int], rank: int, processes: int, port: int, folder: Path, environment: Mapping[str, str]
) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port), **environment)
        os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(processes))
        for stream, number in (('out', 1), ('err', 2)):
            os.dup2(os.open(Path(folder, f'{rank}.{stream}'), os.O_WRONLY | os.O_CREAT), number)
        sys.stdout, sys.stderr = (os.fdopen(number, 'w', buffering=1, closefd=False) for number in (1, 2))
        _drop_closed_handlers()
        code = function(rank)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush(), sys.stderr.flush()
        os._exit(code)


def _drop_closed_handlers() -> None:
    """Drop the log handlers of earlier tests, whose captured streams are closed."""
    for logger in MMLogger._instance_dict.values():
        for handler in list(logger.handlers):
            if getattr(getattr(handler, 'stream', None), 'closed', False):
                logger.removeHandler(handler)
