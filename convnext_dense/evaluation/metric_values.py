"""Values of metrics as plain numbers: metrics of other libraries return arrays, tensors, text and more."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from typing import Any


def plain_numbers(metrics: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, str]]:
    """Separate the values that are numbers from the others.

    A number is Python's or numpy's, or the only element of an array or tensor; NaN and infinity are numbers. Truth
    values are 0 or 1.

    Args:
        metrics: values of any type by name.

    Returns:
        The numbers as ``int`` or ``float``, and a description of each other value, such as ``'an array of (3,)'``.
    """
    found: dict[str, float] = {}
    others: dict[str, str] = {}
    for name, value in metrics.items():
        number = _number(value)
        if number is None:
            others[str(name)] = _describe(value)
        else:
            found[str(name)] = number
    return found, others


def _number(value: Any) -> float | None:
    if hasattr(value, 'item') and getattr(value, 'size', None) is not None:
        count = value.numel() if hasattr(value, 'numel') else value.size
        if count != 1:
            return None
        value = value.item()
    if isinstance(value, numbers.Integral):
        return int(value)
    return float(value) if isinstance(value, numbers.Real) else None


def _describe(value: Any) -> str:
    if hasattr(value, 'shape'):
        return f'an array of {tuple(value.shape)}'
    return 'None' if value is None else f'a {type(value).__name__}'
