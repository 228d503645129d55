"""Files that are whole at every moment."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
