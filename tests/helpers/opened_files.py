"""Record which files are opened."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_recorders: list[tuple[str, list[str]]] = []


def _record(event: str, arguments: tuple) -> None:
    if event == 'open' and _recorders and isinstance(arguments[0], str | bytes | os.PathLike):
        path = os.path.realpath(os.fsdecode(arguments[0]))
        for root, opened in _recorders:
            if path.startswith(root) and os.path.isfile(path):
                opened.append(path[len(root) :])


sys.addaudithook(_record)  # for the life of the process


@contextmanager
def opened_files(root: Path) -> Iterator[list[str]]:
    """Context that gives a list of the files below a folder that are opened in it, relative to it, each time."""
    recorder = (os.path.join(os.path.realpath(root), ''), list[str]())
    _recorders.append(recorder)
    try:
        yield recorder[1]
    finally:
        _recorders.remove(recorder)
