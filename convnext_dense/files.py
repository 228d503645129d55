"""Files that are whole at every moment."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TEMPORARY = re.compile(r'\.\d+\.(.+)')  # '.<process>.<name>': a file that is being written, or was when it was killed


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """A file to write beside ``path``, with the same suffix, which takes its place when the block ends well.

    However the block ends, there is never half a file at ``path``, and nothing is left beside it; only a process that
    is killed leaves what :data:`TEMPORARY` matches.
    """
    path = Path(path)
    temporary = path.with_name(f'.{os.getpid()}.{path.name}')
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def durable(path: str | Path) -> Iterator[Path]:
    """As :func:`whole`, and on the disk when the block has ended: a machine that fails loses neither old nor new."""
    with whole(path) as temporary:
        yield temporary
        _flush(temporary)
    _flush(Path(path).parent)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
