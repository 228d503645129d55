"""Files that are whole at every moment."""

from __future__ import annotations

import os
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


def check_writable(*files: str | Path) -> None:
    """Make sure that the files can be written, before the work whose results they shall hold; their folders are made.

    Raises:
        UserError: if one can't, with its name.
    """
    for file in map(Path, files):
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            new = not file.exists()
            with open(file, 'a'):
                pass
            if new:  # work that fails must not leave empty results
                file.unlink()
        except OSError as error:
            raise UserError(f'{file} cannot be written ({error.strerror}): choose another place') from None
