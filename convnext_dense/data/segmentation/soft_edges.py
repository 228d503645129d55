"""Recognize masks whose edges were interpolated, which adds rare values between the labels or colors."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...io.images import UNLABELED
from .readers import unpacked

SMALLEST_WHITE = 64
FEWEST = 3
"""Smallest number of values between others that are taken for those of soft edges."""
FEWEST_WITHOUT_WHITE = 8
"""The same where 255 does not occur, so that the largest value may also be a label."""
ROUNDING = 2
"""Largest difference of a channel between a mixed color and the line between the two colors that it is made of."""


def find_grays(pixels: Mapping[int, int]) -> list[int]:
    """Find the gray levels of soft edges in masks of black and another value.

    They are many, on both sides of the middle, each rarer than black and the largest value, which have most pixels.

    Args:
        pixels: number of pixels by label, up to 255.

    Returns:
        The gray levels, sorted; empty if the masks hold anything else.
    """
    top = max(pixels, default=0)
    grays = sorted(label for label in pixels if label not in (0, top))
    if 0 not in pixels or not SMALLEST_WHITE <= top <= UNLABELED:
        return []
    if len(grays) < (FEWEST if top == UNLABELED else FEWEST_WITHOUT_WHITE) or not grays[0] < top / 2 <= grays[-1]:
        return []
    most = pixels[0] + pixels[top] > sum(pixels.values()) / 2
    return grays if most and max(pixels[gray] for gray in grays) < min(pixels[0], pixels[top]) else []


def find_mixed(pixels: Mapping[int, int]) -> list[int]:
    """Find the colors that are mixed of two others, each with at least twice as many pixels.

    Args:
        pixels: number of pixels by color, as :func:`~.readers.packed` writes it.

    Returns:
        The mixed colors, sorted; empty if there are few of them, or fewer than others.
    """
    true: list[int] = []
    mixed: list[int] = []
    for color in sorted(pixels, key=lambda one: (-pixels[one], one)):
        ends = np.array([unpacked(other) for other in true if pixels[other] >= 2 * pixels[color]], float)
        (mixed if len(ends) > 1 and _lies_between(np.array(unpacked(color), float), ends) else true).append(color)
    return sorted(mixed) if len(mixed) >= FEWEST and 2 * len(mixed) >= len(pixels) else []


def _lies_between(color: np.ndarray, ends: np.ndarray) -> bool:
    """Check whether a color (3,) lies on a line between two of some colors (N, 3)."""
    for start in ends:
        along = ends - start
        length = (along**2).sum(1)
        share = ((color - start) * along).sum(1) / np.maximum(length, 1)
        distance = np.abs(start + share[:, None] * along - color).max(1)
        if ((distance <= ROUNDING) & (share > 0) & (share < 1) & (length > 0)).any():
            return True
    return False
