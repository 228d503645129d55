"""Keep what is found in all files of a data set, which takes long to find, until a file changes."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from filelock import FileLock

from ..io.cache import cache_folder
from ..io.files import atomic_write


def files_digest(files: Iterable[str], *others: object) -> str:
    """Return a digest that changes when a file is added, removed, renamed or modified, or what else the scan is of."""
    states = [(file, *_size_and_time(file)) for file in files]
    return hashlib.blake2b(repr((*others, states)).encode('utf-8', 'surrogateescape')).hexdigest()


def _size_and_time(file: str) -> tuple[int, int]:
    try:
        status = os.stat(file)
    except OSError:  # a dangling link: unreadable
        return 0, 0
    return status.st_size, status.st_mtime_ns


def cache_file(kind: str, file: str, more: str) -> Path:
    """Return the file for what is found in a data set.

    Args:
        kind: the beginning of its name.
        file: the first file of the data set; its name counts, since the files of several splits may be in one folder.
        more: what else tells scans apart.
    """
    folder, name = os.path.split(file)
    key = f'{os.path.realpath(folder)}/{name} {more}'
    return cache_folder() / f'{kind}-{hashlib.blake2b(os.fsencode(key), digest_size=8).hexdigest()}.json'


def scan_once(
    file: Path, state: str, scan: Callable[[], Any], what: str, is_lasting: Callable[[Any], bool] = lambda found: True
) -> Any:
    """Return what a scan finds, or found before in the same state.

    Several processes may call this at once: one scans, the others wait for its results.

    Args:
        file: see :func:`cache_file`.
        state: see :func:`files_digest`.
        scan: finds what can be written as JSON.
        what: what is scanned, for a warning.
        is_lasting: whether what was found is kept.
    """
    found = read_cache(file, state)  # before the lock, so that processes read at the same time
    if found is not None:
        return found
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(file.with_suffix('.lock')):
            found = read_cache(file, state)
            if found is None:
                found = scan()
                if is_lasting(found):
                    with atomic_write(file) as temporary:
                        temporary.write_text(json.dumps({'state': state, 'scans': found}), encoding='utf-8')
    except OSError as error:
        logging.getLogger('mmengine').warning(
            f'cannot cache the results of scanning the {what} ({error}), so every start will read all {what}: '
            'set CONVNEXT_DENSE_CACHE to a writable folder'
        )
    return scan() if found is None else found


def read_cache(file: Path, state: str) -> Any:
    """Read what was found in a state; None if nothing was kept of it."""
    try:
        content = json.loads(file.read_text(encoding='utf-8'))
        return content['scans'] if content['state'] == state else None
    except (OSError, ValueError, KeyError, TypeError):  # it does not exist, or another program or version wrote it
        return None
