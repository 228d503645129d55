"""Faults of annotations that are fixed, dropped or ignored, and the lines that say so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..check.records import WARNING
from ..text import count_of, shortened

PLURALS = {'category': 'categories', 'entry': 'entries'}


class Fault(NamedTuple):
    """A fault that some parts of a file share, and what is done about it."""

    message: str
    """The action and the fault, such as ``'dropped: box of zero area'``."""
    ids: Sequence[int | str]
    """Ids of the affected parts, or their places in the user's files, such as ``'labels/a.txt:3'``."""
    part: str = 'annotation'
    """The kind of part: ``'annotation'``, ``'image'`` or ``'category'``."""
    level: str = WARNING
    """:data:`~convnext_dense.data.check.NOTE` if it is fixed without any doubt, else a warning."""

    @property
    def line(self) -> str:
        """The fault without ids, such as ``'2 annotations dropped: box of zero area'``."""
        message = self.message if len(self.ids) == 1 else self.message.replace('with its area', 'with their areas')
        return f'{count_of(self.ids, self.part, PLURALS.get(self.part))} {message}'

    @property
    def items(self) -> list[str]:
        """The affected parts for a list: ``'annotation 17'``, or a place as it is."""
        return [f'{self.part} {one}' if isinstance(one, int) else one for one in self.ids]


def describe_faults(file: str, faults: Iterable[Fault]) -> list[str]:
    """Describe each fault of a file in one line.

    For example ``train2017: 3 annotations dropped: box of zero area (annotation ids 17, 23, 99)``.
    """
    return [f'{file}: {fault.line} {in_brackets(fault.part, fault.ids)}' for fault in faults]


def in_brackets(part: str, ids: Sequence[int | str]) -> str:
    """List the first ids of some parts, ``(image ids 3, 5)``, or their places, ``(labels/a.txt:3)``."""
    if any(isinstance(one, str) for one in ids):
        return f'({shortened(ids)})'
    return f'({part} id{"s" if len(ids) > 1 else ""} {shortened(ids)})'
