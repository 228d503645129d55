"""Parts of messages about data."""

from __future__ import annotations

from collections.abc import Sequence
from reprlib import Repr
from typing import Any

from ..counting import counted

LONGEST_VALUE = 60
"""Maximum number of characters of a value of a user's file in a message."""
_repr = Repr()
_repr.maxstring = _repr.maxother = _repr.maxlong = LONGEST_VALUE


def shortened(items: Sequence, limit: int = 5) -> str:
    """List the first items: ``a, b, c, ...``."""
    return ', '.join(map(str, items[:limit])) + (', ...' if len(items) > limit else '')


def count_of(items: Sequence, noun: str, plural: str | None = None) -> str:
    """Count items: ``1 image``, ``3 images``."""
    return counted(len(items), noun, plural)


def quoted(value: Any) -> str:
    """Write a value of a user's file as Python does, shortened if it is long or deep: ``'cat'``, ``[1, 2, ...]``."""
    text = _repr.repr(value)
    return text if len(text) <= LONGEST_VALUE else f'{text[: LONGEST_VALUE - 3]}...'
