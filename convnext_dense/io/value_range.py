"""Which values of an image are black and which white: the rule for images of more than 8 bits."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..errors import UserError

LARGEST_SHARE = 1.0
"""Floats up to here are shares of white."""
DARKEST_LEVEL = 16.0
"""Floats whose largest value lies between the two are ambiguous: shares that a filter overshot, or dark levels."""


class ValueRange(NamedTuple):
    """The value that becomes level 0 and the one that becomes level 255; values outside are clipped, NaN is black."""

    low: float
    high: float

    def __str__(self) -> str:
        return f'{self.low:g} to {self.high:g}'


BITS_8, BITS_16 = ValueRange(0, 255), ValueRange(0, 65535)


class AmbiguousValues(UserError):
    """Error for an image whose values do not tell which of them are black and white."""


def as_value_range(setting: object) -> ValueRange | None:
    """Convert the setting ``value_range`` of a config, two numbers or None.

    Raises:
        UserError: for anything else, or if the second number is not larger than the first.
    """
    if setting is None:
        return None
    try:
        low, high = (float(value) for value in setting)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        raise UserError(f'value_range {setting!r}: give two numbers, the values of black and white') from None
    if not (np.isfinite([low, high]).all() and low < high):
        raise UserError(
            f'value range {low:g} {high:g}: the second number, white, must be larger than the first, black'
        )
    return ValueRange(low, high)


def find_value_range(values: np.ndarray, is_scaled: bool = False) -> ValueRange:
    """Find the range of an image of more than 8 bits, if it is not ambiguous.

    - 16 bits without a sign: 0 to 65535, whatever the image's own values.
    - Integers of 32 bits or with a sign, none of them outside of 0 to 255: 0 to 255.
    - Floats, none of them outside of 0 to 1: 0 to 1; none outside of 0 to 255 and some above 16: 0 to 255.

    Args:
        values: the values of an image.
        is_scaled: the decoder scaled them to 16 bits, as Pillow does for a PGM.

    Raises:
        AmbiguousValues: for all others: negative ones, larger ones, and those with NaN or infinity.
    """
    if is_scaled or values.dtype == np.uint16:
        return BITS_16
    if not values.size:
        return BITS_8
    low, high = float(values.min()), float(values.max())
    integers = values.dtype.kind in 'iu'
    if np.isfinite([low, high]).all() and low >= 0:
        if not integers and high <= LARGEST_SHARE:
            return ValueRange(0, 1)
        if high <= BITS_8.high and (integers or high > DARKEST_LEVEL):
            return BITS_8
    finite = values[np.isfinite(values)]
    own = likely_range(finite, finite.dtype) if finite.size else ValueRange(0, 1)
    of_image = 'only NaN or infinity' if not finite.size else f'{finite.min():g} to {finite.max():g}'
    others = ', and NaN or infinity' if 0 < finite.size < values.size else ''
    kind = 'integers' if integers else 'floats'
    raise AmbiguousValues(
        f'{kind} of {of_image}{others}: say which value is black and which is white, '
        f'such as --value-range {own.low:g} {own.high:g}'
    )


def likely_range(values: np.ndarray | tuple[float, float], dtype: object = np.uint16) -> ValueRange:
    """Guess a range from the values, for advice: the next power of two for integers from 0 on, else their own.

    Args:
        values: the values, or the smallest and the largest.
        dtype: their type.
    """
    low, high = float(np.min(values)), float(np.max(values))
    if np.dtype(dtype).kind in 'iu' and low >= 0:  # type: ignore[call-overload]
        return ValueRange(0, 2 ** max(int(high).bit_length(), 1) - 1)
    if low >= high:
        return ValueRange(low, low + 1)
    step = 10 ** (math.floor(math.log10(high - low)) - 2)  # three digits of the difference, rounded outwards
    return ValueRange(float(f'{math.floor(low / step) * step:.6g}'), float(f'{math.ceil(high / step) * step:.6g}'))


def to_levels(values: np.ndarray, value_range: ValueRange) -> np.ndarray:
    """Scale values of any type to uint8: ``value_range.low`` becomes 0, ``value_range.high`` 255; NaN becomes 0."""
    if values.dtype in (np.uint8, np.uint16):
        return _table(value_range, np.iinfo(values.dtype).max + 1)[values]
    return _scaled(values, value_range)


@lru_cache(maxsize=8)
def _table(value_range: ValueRange, count: int) -> np.ndarray:
    return _scaled(np.arange(count), value_range)


def _scaled(values: np.ndarray, value_range: ValueRange) -> np.ndarray:
    low, high = value_range
    with np.errstate(invalid='ignore', over='ignore'):
        levels = (np.nan_to_num(values.astype(np.float64), nan=low) - low) * (255 / (high - low))
    return levels.round().clip(0, 255).astype(np.uint8)
