"""Progress bars."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

T = TypeVar('T')
SHOWN_BYTES = 50_000_000
"""Size of a file from which :func:`reading` shows that it is read."""
MANY = 2_000
"""Number of items from which :func:`track` shows a bar: fewer are read before it can be seen."""


def progress_bar(*columns: ProgressColumn, console: Console | None = None) -> Progress:
    """Make a progress bar that shows on terminals only.

    Args:
        columns: columns after description and bar; by default the count and the time that is left.
        console: where it shows; by default stderr.
    """
    console = console or Console(stderr=True)
    after_bar = columns or (MofNCompleteColumn(), TimeRemainingColumn())
    texts = (TextColumn('{task.description}'), BarColumn(), *after_bar)
    return Progress(*texts, console=console, transient=True, disable=not console.is_terminal)


def track(items: Sequence[T], description: str) -> Iterator[T]:
    """Yield items, with a progress bar on terminals if they are many."""
    if len(items) < MANY:
        yield from items
        return
    with progress_bar() as progress:
        yield from progress.track(items, description=description)


@contextmanager
def busy(description: str) -> Iterator[None]:
    """Context that shows on terminals what takes long and how long it has taken, without an end in sight."""
    with progress_bar(TimeElapsedColumn()) as progress:
        progress.add_task(description, total=None)
        yield


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Context that shows that a file is read, if it is a large one."""
    size = path.stat().st_size if path.is_file() else 0
    if size < SHOWN_BYTES:
        yield
        return
    with busy(f'reading {path.name} ({size / 1e6:,.0f} MB)'):
        yield
