"""Draw a data set into the cache folder once, however many processes ask for it."""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from rich.console import Console

from ..errors import UserError
from ..io.cache import CACHE_VARIABLE

MANIFEST = 'COMPLETE.json'
"""File in the folder that is written last, as a mark that it is complete."""


def draw_once(
    folder: Path, manifest: Mapping[str, Any], what: str, draw: Callable[[Path, Console], None], about: str
) -> Path:
    """Draw a data set if it is missing or incomplete, and return its folder.

    Several processes may call this at once: one of them draws, the others wait. The files are written to a temporary
    folder, which is renamed when it is complete. A line is printed to stderr at the start and at the end.

    Args:
        folder: where the data set belongs.
        manifest: what :data:`MANIFEST` says of a complete data set of this kind.
        what: its name in messages, such as ``'the sample data'``.
        draw: writes all files into a new folder, which it creates; it may show its progress on the console.
        about: what the first line says of the work, such as ``'12 images, about 3 s'``.

    Raises:
        UserError: if the folder can't be written.
    """
    if _is_complete(folder, manifest):
        return folder
    console = Console(stderr=True, markup=False, emoji=False, highlight=False, soft_wrap=True)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder, what, console):
            if not _is_complete(folder, manifest):
                for left_over in folder.parent.glob(f'{folder.name}.partial-*'):
                    shutil.rmtree(left_over)
                partial_folder = folder.with_name(f'{folder.name}.partial-{os.getpid()}')
                try:
                    console.print(f'drawing {what} once, {about}, into {folder}')
                    start = time.monotonic()
                    draw(partial_folder, console)
                    (partial_folder / MANIFEST).write_text(json.dumps(manifest) + '\n', encoding='utf-8')
                    if folder.exists():
                        shutil.rmtree(folder)
                    partial_folder.rename(folder)
                    seconds = math.ceil(time.monotonic() - start)
                    console.print(f'{what} is ready after {seconds} s in {folder}')
                finally:
                    shutil.rmtree(partial_folder, ignore_errors=True)
    except OSError as error:
        raise UserError(
            f'cannot write {what} to {folder} ({error.strerror or error}): set {CACHE_VARIABLE} to a writable folder'
        ) from error
    return folder


def _is_complete(folder: Path, manifest: Mapping[str, Any]) -> bool:
    try:
        return bool(json.loads((folder / MANIFEST).read_text(encoding='utf-8')) == manifest)
    except (OSError, ValueError):
        return False


@contextmanager
def _locked(folder: Path, what: str, console: Console) -> Iterator[None]:
    lock = FileLock(folder.with_name(f'{folder.name}.lock'))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        console.print(f'waiting for another process that draws {what} into {folder}')
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
