"""Run a trial: training in a process of its own, whose validations are reported while it runs."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from filelock import FileLock, Timeout

from ..checkpoints import lock as run_lock
from ..checkpoints.files import COMMANDS
from ..engine.csv_log import read_scalars
from ..errors import UserError
from ..evaluation.metric_names import find_metric

LOG = 'output.log'
"""File in a trial's folder with all that its processes have printed."""
POLL = 0.5
"""Seconds between two looks at a trial."""
PATIENCE = 300.0
"""Seconds for which a process of a trial that is still ending is waited for."""
BAD_INPUT = 2
"""Exit code of a command that has refused its input."""


class Process(Protocol):
    """What is asked of the process of a trial, such as :class:`Training`."""

    def poll(self) -> int | None:
        """Return the exit code; None while it runs."""

    def stop(self) -> None:
        """Ask it to save its state and end."""

    def kill(self) -> None:
        """End it at once, and wait until it has ended."""


Start = Callable[[Path, Sequence[str]], Process]
"""Starts training in a folder, with the arguments of ``train`` but ``--work-dir`` and ``--resume``."""


class Outcome(NamedTuple):
    """The end of a trial's process.

    Attributes:
        state: how it ended; ``'refused'`` is bad input before anything was trained, ``'full'`` a full disk.
        values: the watched metric at each validation, the first one first.
        why: the reason of a failure.
    """

    state: Literal['complete', 'pruned', 'fail', 'refused', 'full', 'stopped']
    values: list[float]
    why: str = ''


class Training:
    """The verb ``train`` in a process of its own, with its output in :data:`LOG`.

    It stops cleanly when this process ends for any reason: its standard input is a pipe whose other end only this
    process has (:mod:`convnext_dense.cli.trial_process`).

    Args:
        folder: the trial's work dir.
        arguments: the arguments of ``train``.
        program: the beginning of the command line that is recorded, ``'convnext-dense'`` or that of a script.
    """

    def __init__(self, folder: Path, arguments: Sequence[str], program: str = 'convnext-dense') -> None:
        command = [sys.executable, '-m', 'convnext_dense.cli.trial_process', program, *arguments]
        with open(folder / LOG, 'ab') as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
            )

    def poll(self) -> int | None:
        return self._process.poll()

    def stop(self) -> None:
        with suppress(ProcessLookupError):
            self._process.terminate()

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()


def watch(
    process: Process,
    folder: Path,
    metric: str,
    report: Callable[[Sequence[float]], bool],
    is_asked_to_stop: Callable[[], bool],
    begin: int = 0,
    poll: float = POLL,
) -> Outcome:
    """Watch the process of a trial until it ends.

    Args:
        process: the process.
        folder: the trial's work dir.
        metric: the metric that is watched.
        report: is told the values of all validations so far, and returns whether to prune.
        is_asked_to_stop: whether this process is to stop.
        begin: :func:`log_size` before the process was started.
        poll: seconds between two looks.
    """
    known: list[float] = []
    while True:
        code = process.poll()  # before the values, of which the last ones are then there
        values = read_values(folder, metric)
        prunes = False
        if values != known:
            known = values
            prunes = report(values)
        if is_asked_to_stop():
            _stop(process)
            return Outcome('stopped', known)
        if prunes:
            _stop(process)
            return Outcome('pruned', known)
        if code is not None:
            return _ended(code, folder, known, begin, metric)
        time.sleep(poll)


def read_values(folder: Path, metric: str) -> list[float]:
    """Read the values of a metric at each validation of a run; empty if it has none yet."""
    if not folder.is_dir():
        return []
    series = {name.removeprefix('val/'): points for name, points in read_scalars(folder).items()}
    name = find_metric(metric, list(series))
    return [] if name is None else [value for _, value in series[name]]


def best_value(values: Sequence[float], greater: bool) -> float | None:
    """Return the best of the values of validations, that of ``best.pth``; None if all are NaN, or there are none."""
    numbers = [value for value in values if not math.isnan(value)]
    return (max if greater else min)(numbers) if numbers else None


def wait_until_free(folder: Path, seconds: float = PATIENCE) -> None:
    """Wait until no process trains in a work dir: that of a killed study saves its state first.

    Raises:
        UserError: if one still does after so many seconds.
    """
    file = folder / run_lock.FILE_NAME
    if not file.exists():
        return
    lock = FileLock(file)
    try:
        lock.acquire(timeout=seconds)
    except Timeout:
        raise UserError(f'another process still trains in {folder}: end it first') from None
    lock.release()


def _stop(process: Process, seconds: float = PATIENCE) -> None:
    """Stop a process: it finishes its step and saves its state; one that does not end in time is killed."""
    process.stop()
    until = time.monotonic() + seconds
    while process.poll() is None:
        if time.monotonic() > until:
            process.kill()
            return
        time.sleep(0.05)


def _ended(code: int, folder: Path, values: list[float], start: int, metric: str) -> Outcome:
    if code == 0:
        if all(map(math.isnan, values)):
            found = ', '.join(sorted({name for name in read_scalars(folder) if name.startswith('val/')}))
            why = f'no validation has measured {metric}' + (f', but {found.replace("val/", "")}' if found else '')
            return Outcome('fail', values, f'{metric} was NaN' if values else why)
        return Outcome('complete', values)
    text = _new_lines(folder, start)
    why = _reason(code, text)
    if 'No space left on device' in text or 'Disk quota exceeded' in text:
        return Outcome('full', values, why)
    if code == BAD_INPUT and not (folder / COMMANDS).exists():
        return Outcome('refused', values, why)
    return Outcome('fail', values, why)


def _reason(code: int, text: str) -> str:
    """Return the reason of a failure: the error that was printed, or else the signal that has ended the process."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line.removeprefix('error: ') for line in lines if line.startswith('error: ')]
    if errors:
        return errors[-1]
    if code < 0:
        name = signal.Signals(-code).name
        little = ', as the system does when memory runs out' if -code == signal.SIGKILL else ''
        return f'ended by {name}{little}'
    if code > 128 and code - 128 in set(signal.Signals):
        return f'stopped by {signal.Signals(code - 128).name}'
    return lines[-1][:200] if lines else f'exit code {code}'


def log_size(folder: Path) -> int:
    """Return the size of what a trial's processes have printed so far, in bytes."""
    file = folder / LOG
    return file.stat().st_size if file.is_file() else 0


def _new_lines(folder: Path, start: int) -> str:
    file = folder / LOG
    if not file.is_file():
        return ''
    with open(file, 'rb') as content:
        content.seek(start)
        return content.read().decode(errors='replace')
