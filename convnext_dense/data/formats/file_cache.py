"""Keep what was read from a file as long as the file does not change."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from pathlib import Path
from typing import TypeVar

from ...errors import NoData, UserError

T = TypeVar('T')
MOST_KEPT = 1 << 20
"""Maximum number of files of which the result of a function is kept."""


def kept_by_file(read: Callable[[Path], T]) -> Callable[[Path], T]:
    """Decorator of a function of a file that keeps its results for the readings of a data set that follow each other.

    A result counts as long as the size of the file and the time of its last change are the same.

    Raises:
        NoData: by the decorated function, if there is no file.
        UserError: by the decorated function, if the file can't be read.
    """

    @lru_cache(maxsize=MOST_KEPT)
    def read_version(path: Path, changed: int, length: int) -> T:
        return read(path)

    @wraps(read)
    def read_current(path: Path) -> T:
        try:
            stat = path.stat()
        except FileNotFoundError:
            raise NoData(f'no annotations at {path}') from None
        except OSError as error:
            raise UserError(f'{path} cannot be read ({error.strerror})') from None
        return read_version(path, stat.st_mtime_ns, stat.st_size)

    return read_current
