"""Numbers with their nouns, for messages. Imports nothing."""

from __future__ import annotations


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Count things: ``1 image``, ``3,000 images``.

    Args:
        count: how many.
        noun: one of them.
        plural: several; by default the noun with an s.
    """
    return f'{count:,} {noun if count == 1 else plural or noun + "s"}'
