"""Signals that stop a run cleanly: it finishes the step, saves its state, and exits with 128 + the signal's number.

They are SIGTERM, SIGINT (Ctrl-C) and SIGUSR1, which SLURM can send before a job's time limit (``--signal=USR1@120``).
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import torch
from mmengine.dist import all_reduce, get_world_size, is_main_process

from ..errors import Stopped

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
REPEAT_WINDOW = 1.0
"""Seconds in which a second signal counts as a copy of the first, since SLURM and torchrun may both send it."""


class StopRequest:
    """Context that records the first signal and raises :class:`Stopped` at once on a second one.

    In distributed training all processes must stop after the same step, or some would wait for the others forever: the
    signal may reach them in different steps, or only one of them.

    Attributes:
        number: number of the received signal, or 0.
    """

    def __init__(self) -> None:
        self.number = 0
        self._since = 0.0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():  # only the main thread may set handlers
            self._before = {number: signal.signal(number, self._record) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _record(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self.number:
            self.number, self._since = number, now
            if is_main_process():
                name = signal.Signals(number).name
                os.write(2, f'\n{name}: finishing the step and saving; once more stops at once\n'.encode())
        elif now - self._since > REPEAT_WINDOW:
            raise Stopped(number, at_once=True)

    def stop_if(self, requested: bool) -> None:
        """Raise :class:`Stopped` if ``requested``, which must be equal on all processes."""
        if requested:
            raise Stopped(self.number or signal.SIGTERM)

    def stop_if_any_process_requested(self) -> None:
        """Raise :class:`Stopped` if any process has received a signal; all processes must call this together."""
        number = torch.tensor(self.number)
        if get_world_size() > 1:
            all_reduce(number, 'max')
        self.stop_if(bool(number))


def leave_signals_to_parent(then: Callable[[int], None] | None, worker_id: int) -> None:
    """Make a loader worker ignore the signals that Ctrl-C and SLURM send to all processes; its parent handles them.

    Only a SIGTERM from the parent ends the worker; the parent sends it to workers that do not end in time.

    Args:
        then: another function to initialize the worker, or None.
        worker_id: number of the worker, passed to ``then``.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_exit_on_sigterm_from_parent, daemon=True).start()
    if then is not None:
        then(worker_id)


def _exit_on_sigterm_from_parent() -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    os._exit(0)
