"""A list of many small objects that processes share."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from typing import Any

import numpy as np


class PackedList:
    """Objects as one array of bytes, which loader workers share with the process that they are forked from.

    Reading an object of a list of Python's changes its count of references, and so copies its memory.

    Args:
        objects: the objects, which can be pickled.
    """

    def __init__(self, objects: Iterable[Any]) -> None:
        packed = [np.frombuffer(pickle.dumps(one, protocol=4), np.uint8) for one in objects]
        self._ends = np.cumsum([len(one) for one in packed], dtype=np.int64)
        self._bytes = np.concatenate(packed) if packed else np.zeros(0, np.uint8)

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> Any:
        start = self._ends[index - 1] if index else 0
        return pickle.loads(memoryview(self._bytes)[start : self._ends[index]])  # type: ignore[arg-type]
