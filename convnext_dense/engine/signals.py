"""Signals that end a run in good order: it finishes the step, saves its state, and exits with 128 + the signal.

SIGTERM, SIGINT (Ctrl-C) and SIGUSR1, which SLURM is asked to send before it takes a job's nodes
(``--signal=USR1@120``).
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
"""Seconds in which a second signal counts as a copy of the first: SLURM and torchrun may both deliver it."""


class StopRequest:
    """Context manager in which the first signal is noted and a second one raises :class:`Stopped` at once.

    Processes that train together have to agree before they stop, or some would wait for the others for ever: the
    signal may reach them in different steps, or one of them alone.

    Attributes:
        number: number of the signal that this process got, or 0.
    """

    def __init__(self) -> None:
        self.number = 0
        self._since = 0.0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():  # Python lets no other thread set handlers
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self.number:
            self.number, self._since = number, now
            if is_main_process():
                name = signal.Signals(number).name
                os.write(2, f'\n{name}: finishing the step and saving; once more stops at once\n'.encode())
        elif now - self._since > REPEAT_WINDOW:
            raise Stopped(number, at_once=True)

    def stop_if(self, requested: bool) -> None:
        """Raise :class:`Stopped` if the processes have agreed that one of them has a request to stop."""
        if requested:
            raise Stopped(self.number or signal.SIGTERM)

    def stop_if_any_process_requested(self) -> None:
        """Raise :class:`Stopped` if any process has a request to stop; all processes call this together."""
        number = torch.tensor(self.number)
        if get_world_size() > 1:
            all_reduce(number, 'max')
        self.stop_if(bool(number))


def leave_signals_to_parent(then: Callable[[int], None] | None, worker_id: int) -> None:
    """Make a loader worker ignore signals, which Ctrl-C and SLURM send to every process: its parent acts on them.

    Only a SIGTERM that comes from the parent ends it: the parent sends it to workers that are late to end.

    Args:
        then: another function to start the worker with, or None.
        worker_id: number of the worker, which ``then`` gets.
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
