"""Files that are whole at every moment."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import UserError


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """A file to write beside ``path``, with the same suffix, which takes its place when the block ends well.

    However the block ends, there is never half a file at ``path``, and nothing is left beside it.
    """
    path = Path(path)
    temporary = path.with_name(f'.{os.getpid()}.{path.name}')
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def check_place(path: str | Path) -> None:
    """Find out before long work whether its result can be written.

    Raises:
        UserError: if there is no folder for it, or that can't be written, or the path is a folder.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(f'{path} is a folder: name a file')
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise UserError(f'{path} cannot be written ({error.strerror}): name another place') from None
