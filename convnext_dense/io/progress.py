"""Progress bars."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn


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
