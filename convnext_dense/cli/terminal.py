"""Texts of data, such as names of classes, in lines of the terminal."""

from __future__ import annotations


def one_line(text: str) -> str:
    """Return a text with a space for each character that would break a line or control the terminal."""
    return ''.join(one if one.isprintable() else ' ' for one in text)
