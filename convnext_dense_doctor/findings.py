"""What the doctor says."""

from __future__ import annotations

from typing import NamedTuple, Optional

OK, WARNING, PROBLEM = 'ok', 'warning', 'problem'


class Finding(NamedTuple):
    """Something that was looked at."""

    check: str
    """What was looked at, such as ``'imports'``."""
    level: str
    """``'ok'``; ``'warning'``: it may do harm; ``'problem'``: it does."""
    what: str
    fix: Optional[str] = None  # noqa: UP045 - Python 3.9 shall be told that it is too old
    """A command, or what to do."""

    def __str__(self) -> str:
        return f'{self.level:<9}{self.what}' + (f'\n{"":<9}fix: {self.fix}' if self.fix else '')
