"""Smooth random fields.

All operations are sums and products of single elements, which have the same result on every machine.
"""

from __future__ import annotations

import math

import numpy as np

from ...io.image_size import ImageSize


def smooth_noise(rng: np.random.Generator, size: ImageSize, cell: int) -> np.ndarray:
    """Draw a smooth field of random values, float32 (H, W) in [0, 1).

    Args:
        rng: random generator.
        size: of the field.
        cell: distance in pixels of the points that are drawn; the field runs smoothly between them.
    """
    rows, cols = (math.ceil(side / cell) + 1 for side in size)
    grid = rng.random((rows, cols), np.float32)
    (top, down), (left, across) = (_steps(side, cell) for side in size)
    lines = grid[top] + (grid[top + 1] - grid[top]) * down[:, None]
    field: np.ndarray = lines[:, left + 1] - lines[:, left]
    field *= across
    field += lines[:, left]
    return field


def _steps(side: int, cell: int) -> tuple[np.ndarray, np.ndarray]:
    """Return for each pixel of a side the point of the grid before it, and the smooth weight of the next one."""
    index = np.arange(side)
    share = ((index % cell) / np.float32(cell)).astype(np.float32)
    return index // cell, share * share * (np.float32(3) - np.float32(2) * share)


def terrain(rng: np.random.Generator, size: ImageSize) -> np.ndarray:
    """Draw a field with large shapes and ragged edges, float32 (H, W)."""
    field = smooth_noise(rng, size, 900)
    for cell, weight in ((300, 0.35), (90, 0.12), (24, 0.04)):
        field += np.float32(weight) * smooth_noise(rng, size, cell)
    return field


def level(field: np.ndarray, share: float) -> float:
    """Return the value that a share of the field is below, from every eighth row and column."""
    values = np.sort(field[::8, ::8], axis=None)
    return float(values[min(int(share * values.size), values.size - 1)])
