"""Preparing the next tiles in a thread while the network works on others."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Generic, TypeVar

Item = TypeVar('Item')
Prepared = TypeVar('Prepared')


class ReadAhead(Generic[Item, Prepared]):
    """Items that are prepared in one thread, some ahead of their use; a context that ends the thread.

    Args:
        prepare: function of an item, called in the order of the items; an error is raised by :meth:`take`.
        items: all items, in the order in which they will be taken.
        ahead: how many are prepared before they are asked for.
    """

    def __init__(self, prepare: Callable[[Item], Prepared], items: Iterable[Item], ahead: int) -> None:
        self._prepare, self._items, self._ahead = prepare, iter(items), ahead
        self._coming: deque[tuple[Item, Future[Prepared]]] = deque()
        self._thread = ThreadPoolExecutor(1)

    def __enter__(self) -> ReadAhead[Item, Prepared]:
        self._submit(self._ahead)
        return self

    def __exit__(self, *error: object) -> None:
        self._thread.shutdown(cancel_futures=True)

    def take(self, items: Sequence[Item]) -> list[Prepared]:
        """Return the next items prepared, and have as many after them prepared meanwhile.

        Raises:
            ValueError: if these are not the next items.
        """
        self._submit(len(items))
        coming = [self._coming.popleft() for _ in items if self._coming]
        if [item for item, _ in coming] != list(items):
            raise ValueError(f'the next items are {[item for item, _ in coming]}, not {list(items)}')
        return [future.result() for _, future in coming]

    def _submit(self, count: int) -> None:
        for item in islice(self._items, count):
            self._coming.append((item, self._thread.submit(self._prepare, item)))
