"""Read JSON files of annotations, and tell by their beginning what they are."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ...errors import UserError
from ..image_files import EXTENSIONS, is_stray

HEAD = 1 << 16
"""Bytes at the beginning of a file that tell its format."""
MOST_SNIFFED = 5
"""Maximum number of files in a folder of which the beginning is read."""


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        UserError: if it can't be read, or is not JSON in UTF-8.
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise UserError(f'{path} cannot be read ({error.strerror})') from None
    except (ValueError, RecursionError) as error:  # not JSON, or not even text
        raise UserError(f'{path} is not JSON ({error}): get or write the file again, or remove it') from None


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
