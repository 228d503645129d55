"""Read numbers, integers and flags that tools write in other JSON types: ``96.0``, ``"96"``, ``"false"``."""

from __future__ import annotations

import math
import re
from typing import Any

from ...io.image_size import ImageSize

INTEGER = re.compile(r'\s*[+-]?[0-9]+\s*')
NUMBER = re.compile(r'\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*')
"""Digits as in JSON: Python also takes ``1_0`` for 10, and the digits of other scripts."""
FLAGS = {'0': 0, '1': 1, 'false': 0, 'true': 1}


def read_number(value: Any) -> float | None:
    """Return a finite number, also from its text; None for anything else, such as NaN, a bool or None."""
    if isinstance(value, str):
        if not NUMBER.fullmatch(value):
            return None
        value = float(value)
    try:
        return value if type(value) in (int, float) and math.isfinite(value) else None
    except OverflowError:  # an integer of more than 308 digits
        return None


def read_integer(value: Any) -> int | None:
    """Return an integer, also from ``7.0``, ``"7"`` or ``"7.0"``; None for anything else."""
    if type(value) is int:
        return value
    if isinstance(value, str) and INTEGER.fullmatch(value):
        try:
            return int(value)  # exact, where a float is not
        except ValueError:  # more than 4300 digits
            return None
    number = read_number(value)
    return int(number) if number is not None and number == int(number) else None


def read_size(height: Any, width: Any) -> ImageSize | None:
    """Return the size of an image from two positive integers; None for anything else."""
    sides = [side for side in map(read_integer, (height, width)) if side is not None and side > 0]
    return ImageSize(*sides) if len(sides) == 2 else None


def read_flag(value: Any) -> int | None:
    """Return 0 or 1 from a number, a bool, or the text of one; None for anything else."""
    if isinstance(value, str):
        return FLAGS.get(value.strip().lower())
    return int(value) if isinstance(value, int | float) and value in (0, 1) else None
