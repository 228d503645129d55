"""Time several implementations of the same task against each other.

All of them run in one process. First each result is compared with the reference; contenders that differ are not timed.
Then come rounds in which every contender runs once, in rotating order, so that anything that slows down the machine
for a while slows down all of them.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .memory import memory_of
from .setting import Setting

LEAST_ROUNDS = 7
MOST_ROUNDS = 50
OURS = 'ours'


class Contender(NamedTuple):
    """An implementation of the task.

    Attributes:
        name: ``'ours'``, or a peer's name.
        dtype: ``'fp32'`` or ``'bf16'``; empty if there is no choice.
        layout: memory format of weights and images; empty if it does not matter.
        run: function that does the task once; it is timed.
        check: function that does the task, or a comparable part, and returns its result; None if ``run`` returns it.
        loss: the first half of a training step, up to the loss; None without training.
        module: module whose parameters and buffers don't count as activation memory.
    """

    name: str
    dtype: str
    layout: str
    run: Callable[[], Any]
    check: Callable[[], Any] | None = None
    loss: Callable[[], Tensor] | None = None
    module: nn.Module | None = None


class Absent(NamedTuple):
    """A contender that is not available, with the reason."""

    name: str
    reason: str


@dataclass
class Row:
    """Measurements of a contender.

    Attributes:
        name, dtype, layout: see :class:`Contender`.
        seconds: time of each round; empty if it was not timed.
        difference: largest difference from the reference; see :func:`relative_difference`.
        memory: bytes; see :func:`~convnext_dense.benchmark.memory.memory_of`.
        problem: the reason why it was not timed, or None.
        absent: True if it is not available.
    """

    name: str
    dtype: str = ''
    layout: str = ''
    seconds: list[float] = field(default_factory=list)
    difference: float | None = None
    memory: int | None = None
    problem: str | None = None
    absent: bool = False

    @property
    def label(self) -> str:
        return ' '.join(filter(None, (self.name, self.dtype)))


@dataclass
class Series:
    """A measurement of all contenders.

    Attributes:
        what: name of the measurement, such as ``'forward'``.
        about: description of the measurement.
        items: number of images, or other ``unit``, per run.
        unit: unit of the items.
        rows: results of the contenders.
    """

    what: str
    about: str
    items: int
    unit: str = 'img'
    rows: list[Row] = field(default_factory=list)

    def rate(self, row: Row) -> tuple[float, float, float]:
        """Return items per second: at the median time of the rounds, and at the slower and the faster quartile."""
        slow, median, fast = reversed(statistics.quantiles(row.seconds, method='inclusive'))
        return self.items / median, self.items / slow, self.items / fast

    def ours(self) -> list[Row]:
        """Return our rows that were timed."""
        return [row for row in self.rows if row.name == OURS and row.seconds]

    def failures(self) -> list[Row]:
        """Return the rows of available contenders that could not be timed."""
        return [row for row in self.rows if row.problem and not row.absent]


def ratio(ours: Row, theirs: Row) -> float:
    """Return how many times faster ours is, by the median times."""
    return statistics.median(theirs.seconds) / statistics.median(ours.seconds)


def measure(
    series: Series,
    contenders: Iterable[Contender | Absent],
    reference: Any,
    tolerance: Mapping[str, float],
    setting: Setting,
    differ: Callable[[Any, Any], float] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Series:
    """Check all contenders, time those that agree, and add a row for each to the series.

    Args:
        series: the series to fill.
        contenders: the contenders.
        reference: the expected result.
        tolerance: largest allowed difference by dtype.
        setting: device and duration.
        differ: function from a result and the reference to their difference; None for :func:`relative_difference`.
        clock: function that returns the time in seconds.
    """
    differ = differ or relative_difference
    running: list[tuple[Contender, Row]] = []
    for contender in contenders:
        if isinstance(contender, Absent):
            series.rows.append(Row(contender.name, problem=f'not installed ({contender.reason})', absent=True))
            continue
        row = Row(contender.name, contender.dtype, contender.layout)
        series.rows.append(row)
        setting.say(f'{series.what}: checking {row.label}')
        try:
            row.difference = differ((contender.check or contender.run)(), reference)
            if contender.check:
                contender.run()  # warm
        except Exception as error:  # libraries and compilers can fail in any way
            row.problem = f'fails: {type(error).__name__}: {(str(error).splitlines() or [""])[0]}'
            continue
        allowed = tolerance[contender.dtype]
        if not row.difference <= allowed:  # also if the difference is NaN
            row.problem = f'not timed: its result is off by {row.difference:.1e}, {allowed:.0e} is allowed'
            continue
        row.memory = memory_of(contender.run, contender.loss, contender.module, setting.device)
        running.append((contender, row))

    start = clock()
    for number in range(MOST_ROUNDS if running else 0):
        if number >= LEAST_ROUNDS and clock() - start >= setting.seconds:
            break
        setting.say(f'{series.what}: round {number + 1}, at least {LEAST_ROUNDS}')
        shift = number % len(running)
        gc.collect()
        gc.disable()
        try:
            for contender, row in running[shift:] + running[:shift]:
                row.seconds.append(_time(contender.run, setting.device, clock))
        finally:
            gc.enable()
    return series


def relative_difference(found: Sequence[Tensor], reference: Sequence[Tensor]) -> float:
    """Return the largest difference between corresponding tensors, relative to the reference's largest magnitude."""
    shares = []
    for own, other in zip(found, reference, strict=True):
        other = other.double().cpu()
        shares.append((own.double().cpu() - other).abs().max() / other.abs().max())
    return torch.stack(shares).max().item()


def _time(run: Callable[[], Any], device: torch.device, clock: Callable[[], float]) -> float:
    _wait_for(device)
    start = clock()
    run()
    _wait_for(device)
    return clock() - start


def _wait_for(device: torch.device) -> None:
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
