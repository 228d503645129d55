"""Parts of messages about data."""

from __future__ import annotations

from collections.abc import Sequence

from ..counting import counted


def shortened(items: Sequence, limit: int = 5) -> str:
    """List the first items: ``a, b, c, ...``."""
    return ', '.join(map(str, items[:limit])) + (', ...' if len(items) > limit else '')


def count_of(items: Sequence, noun: str, plural: str | None = None) -> str:
    """Count items: ``1 image``, ``3 images``."""
    return counted(len(items), noun, plural)
