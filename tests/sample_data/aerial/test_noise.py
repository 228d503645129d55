"""Smooth random fields: the interpolation by its definition, the same values everywhere."""

from __future__ import annotations

import numpy as np
import pytest

from convnext_dense.io.image_size import ImageSize
from convnext_dense.sample_data.aerial.noise import level, smooth_noise, terrain

SIZE = ImageSize(37, 52)


def test_values_run_smoothly_between_points_of_a_grid():
    field = smooth_noise(np.random.default_rng(3), SIZE, 10)
    grid = np.random.default_rng(3).random((5, 7), np.float32).astype(float)  # 37 and 52 pixels in cells of 10
    assert field.shape == SIZE and field.dtype == np.float32
    for y, x in ((0, 0), (10, 20), (36, 51), (13, 47), (29, 5)):
        i, j, v, u = y // 10, x // 10, y % 10 / 10, x % 10 / 10
        v, u = (share**2 * (3 - 2 * share) for share in (v, u))
        above = grid[i, j] * (1 - u) + grid[i, j + 1] * u
        below = grid[i + 1, j] * (1 - u) + grid[i + 1, j + 1] * u
        assert field[y, x] == pytest.approx(above * (1 - v) + below * v, abs=1e-6)


def test_the_same_values_on_every_machine():
    """To the last bit: these are sums and products of float32, which IEEE defines."""
    field = terrain(np.random.default_rng(5), SIZE)
    assert [value.hex() for value in field[[0, 20, 36], [0, 30, 51]].tolist()] == EXACT


EXACT = ['0x1.f357ae0000000p-1', '0x1.d7a05e0000000p-1', '0x1.cdc7a80000000p-1']


@pytest.mark.parametrize('share', [0, 0.3, 1])
def test_a_share_of_the_field_is_below_a_level(share):
    field = smooth_noise(np.random.default_rng(0), ImageSize(400, 300), 20)
    assert (field < level(field, share)).mean() == pytest.approx(share, abs=0.02)
