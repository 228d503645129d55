"""Results of the doctor's checks."""

from __future__ import annotations

from typing import NamedTuple, Optional

OK, WARNING, PROBLEM = 'ok', 'warning', 'problem'


class Finding(NamedTuple):
    """Result of one check."""

    check: str
    """Name of the check, such as ``'imports'``."""
    level: str
    """``'ok'``, ``'warning'`` for possible problems, or ``'problem'``."""
    what: str
    fix: Optional[str] = None  # noqa: UP045 - must run in Python 3.9 to report it as too old
    """Command or advice that fixes the problem."""

    def __str__(self) -> str:
        return f'{self.level:<8} {self.what}' + (f'\n{"":<9}fix: {self.fix}' if self.fix else '')
