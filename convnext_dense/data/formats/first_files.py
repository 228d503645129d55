"""Look at the first files of a folder, and at their beginnings, to recognize the format of a data set."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from ..image_files import EXTENSIONS, is_stray, subfolders

HEAD = 1 << 16
"""Bytes at the beginning of a file that tell its format."""
MOST_SNIFFED = 5
"""Maximum number of files in a folder of which the beginning is read."""


def head(path: str | Path) -> bytes:
    """Return the first bytes of a file; none if it can't be read."""
    try:
        with open(path, 'rb') as file:
            return file.read(HEAD)
    except OSError:
        return b''


def first_files(folder: str | Path, suffix: str, of_images: bool = True) -> list[str]:
    """List the paths of the first files in a folder that tell a format.

    Args:
        folder: the folder; there are no files if it can't be read.
        suffix: the end of the files' names in lowercase.
        of_images: True to have files beside an image of the same name first, for a format with a file for each image;
            False to have them last.
    """
    names = [name for name in _names(folder) if not is_stray(name)]
    images = {os.path.splitext(name)[0] for name in names if name.lower().endswith(EXTENSIONS)}
    files = sorted(name for name in names if name.lower().endswith(suffix))
    files.sort(key=lambda name: (os.path.splitext(name)[0] in images) != of_images)
    return [os.path.join(folder, name) for name in files[:MOST_SNIFFED]]


def walk(folder: Path, most: int) -> Iterator[Path]:
    """Yield a folder and those below it, nearest first, at most so many."""
    waiting = [folder]
    for _ in range(most):
        if not waiting:
            return
        first = waiting.pop(0)
        yield first
        if len(waiting) < most:
            waiting += [first / name for name in subfolders(first)]


def any_below(folder: Path, depth: int, holds: Callable[[Path], bool]) -> bool:
    """Check whether a folder, or one below it down to a depth, passes a check; a few folders of each are looked at."""
    if holds(folder):
        return True
    return depth > 0 and any(any_below(below, depth - 1, holds) for below in _first_folders(folder))


def _first_folders(folder: Path) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir() and not is_stray(entry.name))
    except OSError:
        return
    yield from (folder / name for name in names[:MOST_SNIFFED])


def _names(folder: str | Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
