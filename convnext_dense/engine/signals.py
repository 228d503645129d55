"""Signals that end a run in good order: the step is finished, the state saved, and the exit code tells.

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
# Seconds in which a signal counts once: SLURM and torchrun may both deliver it.
SAME = 1.0


class StopRequest:
    """Inside the block, the first signal is noted and a second one raises :class:`Stopped` at once.

    Processes that train together have to agree before they stop, or some would wait for the others for ever: the
    signal may reach them in different steps, or one of them alone.

    Attributes:
        number: of the signal that this process got, or 0.
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
        elif now - self._since > SAME:
            raise Stopped(number, at_once=True)

    def stop_if(self, asked: bool) -> None:
        """Raise :class:`Stopped` if the processes have agreed to."""
        if asked:
            raise Stopped(self.number or signal.SIGTERM)

    def stop_if_anyone_was_asked(self) -> None:
        """To be called by all processes together."""
        asked = torch.tensor(self.number)
        if get_world_size() > 1:
            all_reduce(asked, 'max')
        self.stop_if(bool(asked))


def shield_worker(then: Callable[[int], None] | None, worker_id: int) -> None:
    """Start a loader worker that leaves signals to its parent: Ctrl-C and SLURM send them to every process.

    SIGTERM ends it where it comes from the parent alone, which sends it to workers that are late to end.

    Args:
        then: what else a worker starts with.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_obey_parent, daemon=True).start()
    if then is not None:
        then(worker_id)


def _obey_parent() -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    os._exit(0)
