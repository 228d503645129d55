"""The load of the machine: how many of its cores other processes use."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

CPU_TIMES = Path('/proc/stat')
BUSY = 0.5  # cores that other processes may use before it is worth a word
SHORTEST = 0.1  # seconds to measure: the system counts in hundredths


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


class Load(NamedTuple):
    """Use of the cores by other processes.

    Attributes:
        cores: number of cores that this process may use.
        busy: how many of them others use, 0 to ``cores``; time that a virtual machine is not given counts as used.
    """

    cores: int
    busy: float

    @property
    def high(self) -> bool:
        """Whether the threads of a training step have to wait for other processes."""
        return self.busy >= BUSY

    @property
    def free_cores(self) -> int:
        """The number of threads, at least 1, that find a core of their own."""
        return max(1, round(self.cores - self.busy))

    def __str__(self) -> str:
        return f'other processes use {self.busy:.1f} of {self.cores} cores'


class LoadMeter:
    """Measures the load from its making on, without what this process and its ended children use."""

    def __init__(self) -> None:
        self._start = _ticks(), _own_seconds(), time.monotonic()

    def read(self) -> Load | None:
        """Return the load since the making; None where the system does not tell, or no time has passed."""
        (ticks, own, start), now, own_now = self._start, _ticks(), _own_seconds()
        passed = time.monotonic() - start
        if ticks is None or now is None or passed < SHORTEST:
            return None
        used, all_ticks = (after - before for before, after in zip(ticks, now))  # noqa: B905 - Python 3.9 runs this
        if not all_ticks:
            return None
        count = cores()
        return Load(count, min(max(count * used / all_ticks - (own_now - own) / passed, 0.0), count))


def _ticks() -> tuple[int, int] | None:
    """Return the ticks that the cores of this process were in use, and all their ticks; None without ``/proc``."""
    try:
        lines = [line.split() for line in CPU_TIMES.read_text().splitlines() if line.startswith('cpu')]
        # user, nice, system, idle, waiting for disks, interrupts, soft interrupts, stolen
        times = {name: [int(ticks) for ticks in rest[:8]] for name, *rest in lines}
        own = [times[name] for name in map('cpu{}'.format, os.sched_getaffinity(0)) if name in times]
        counted = own or [times['cpu']]
        total, idle = sum(map(sum, counted)), sum(ticks[3] + ticks[4] for ticks in counted)
    except (OSError, ValueError, LookupError, AttributeError):
        return None
    return total - idle, total


def _own_seconds() -> float:
    return sum(os.times()[:4])
