"""Timing several ways to do one thing against each other.

All of them run in one process. First each one's result is compared with the reference; what differs is not timed. Then
come rounds in which every contender runs once, in an order that rotates, so that whatever slows the machine down for
a while slows down all of them.
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
    """One way to do the thing.

    Attributes:
        name: ``'ours'``, or a peer's.
        dtype: of the computation, ``'fp32'`` or ``'bf16'``; empty where there is no choice.
        layout: the memory format of weights and images; empty where it does not matter.
        run: does the thing once, which is timed.
        check: does it, or the part of it that can be compared, and returns its result; None where ``run`` does.
        loss: the first half of a training step, up to the loss; None where nothing is trained.
        module: whose parameters and buffers count for no memory.
    """

    name: str
    dtype: str
    layout: str
    run: Callable[[], Any]
    check: Callable[[], Any] | None = None
    loss: Callable[[], Tensor] | None = None
    module: nn.Module | None = None


class Absent(NamedTuple):
    """A contender that can't take part, and why."""

    name: str
    reason: str


@dataclass
class Row:
    """What was measured of one contender.

    Attributes:
        seconds: of each round; empty if it was not timed, and ``problem`` says why.
        difference: the largest from the reference; see :func:`relative_difference`.
        memory: bytes; see :func:`~convnext_dense.benchmark.memory.memory_of`.
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
    """One thing that was measured, of all contenders.

    Attributes:
        what: ``'forward'`` and so on.
        about: what exactly, in words.
        items: how many images, or what ``unit`` names, go into one run.
    """

    what: str
    about: str
    items: int
    unit: str = 'img'
    rows: list[Row] = field(default_factory=list)

    def rate(self, row: Row) -> tuple[float, float, float]:
        """Items per second: from the median of the rounds, and from the slower and the faster quartile."""
        slow, median, fast = reversed(statistics.quantiles(row.seconds, method='inclusive'))
        return self.items / median, self.items / slow, self.items / fast

    def ours(self) -> list[Row]:
        """Our rows that were timed."""
        return [row for row in self.rows if row.name == OURS and row.seconds]

    def failures(self) -> list[Row]:
        """Rows that could not be timed though they are there."""
        return [row for row in self.rows if row.problem and not row.absent]


def ratio(ours: Row, theirs: Row) -> float:
    """How many times faster ours is, by the medians."""
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
        reference: what each of them should find.
        tolerance: the largest difference that is allowed, by dtype.
        differ: how far a result is from the reference; :func:`relative_difference` by default.
        clock: the time in seconds.
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
        except Exception as error:  # a library or a compiler can fail in any way; the rest goes on
            row.problem = f'fails: {type(error).__name__}: {(str(error).splitlines() or [""])[0]}'
            continue
        allowed = tolerance[contender.dtype]
        if not row.difference <= allowed:  # not a number is no agreement either
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
    """The largest difference between tensors of one name, as a share of the largest magnitude of the reference's."""
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
