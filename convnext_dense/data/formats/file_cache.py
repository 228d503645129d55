"""Keep what was read from files as long as they do not change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any, TypeVar

from ...errors import NoData, UserError

T = TypeVar('T')
F = TypeVar('F', bound=Callable)
MOST_KEPT = 1 << 20
"""Maximum number of files of which the result of a function is kept."""
MOST_SETS_KEPT = 64
"""Maximum number of sets of files of which the result of a function is kept."""


def kept_by_file(read: Callable[[Path], T]) -> Callable[[Path], T]:
    """Decorator of a function of a file that keeps its results for the readings of a data set that follow each other.

    A result counts as long as the size of the file and the time of its last change are the same.

    Raises:
        NoData: by the decorated function, if there is no file.
        UserError: by the decorated function, if the file can't be read.
    """

    @lru_cache(maxsize=MOST_KEPT)
    def read_version(path: Path, version: tuple[int, int]) -> T:
        return read(path)

    @wraps(read)
    def read_current(path: Path) -> T:
        return read_version(path, _version(path))

    return read_current


def kept_by_files(read: Callable[[tuple[Path, ...]], T]) -> Callable[[tuple[Path, ...]], T]:
    """Decorator of a function of several files that keeps its results; see :func:`kept_by_file`."""

    @lru_cache(maxsize=MOST_SETS_KEPT)
    def read_versions(paths: tuple[Path, ...], versions: tuple[tuple[int, int], ...]) -> T:
        return read(paths)

    @wraps(read)
    def read_current(paths: tuple[Path, ...]) -> T:
        return read_versions(paths, tuple(map(_version, paths)))

    return read_current


def _version(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except FileNotFoundError:
        raise NoData(f'no annotations at {path}') from None
    except OSError as error:
        raise UserError(f'{path} cannot be read ({error.strerror})') from None
    return stat.st_mtime_ns, stat.st_size


_kept: ContextVar[dict[Any, Any] | None] = ContextVar('kept', default=None)


@contextmanager
def files_unchanged() -> Iterator[None]:
    """Context in which files are taken as unchanged, so that what was found in folders is found only once."""
    token = _kept.set({} if _kept.get() is None else _kept.get())
    try:
        yield
    finally:
        _kept.reset(token)


def kept_while_unchanged(find: F) -> F:
    """Decorator of a function of hashable arguments that keeps its results inside :func:`files_unchanged`."""

    @wraps(find)
    def find_once(*args: Any) -> Any:
        kept = _kept.get()
        if kept is None:
            return find(*args)
        key = (find, args)
        if key not in kept:
            kept[key] = find(*args)
        return kept[key]

    return find_once  # type: ignore[return-value]
