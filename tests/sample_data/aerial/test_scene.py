"""Large scenes: small things, whole, apart, and where they belong."""

from __future__ import annotations

import numpy as np
import pytest

from convnext_dense.io.image_size import ImageSize
from convnext_dense.sample_data.aerial.land import REGIONS, ROAD
from convnext_dense.sample_data.aerial.scene import draw_aerial
from convnext_dense.sample_data.aerial.things import CAR, EMPTY_TANK, FULL_TANK, THINGS, TRUCK


def test_every_thing_is_whole_of_its_size_and_on_its_region(scene):
    assert set(scene.things) == set(range(len(THINGS)))
    for number, thing in enumerate(scene.things, 1):
        rows, cols = np.nonzero(scene.owner == number)
        longest = max(np.ptp(rows), np.ptp(cols)) + 1
        assert 5 <= longest <= 42
        assert longest <= THINGS[thing].size[1] * 1.45 + 2  # askew, it is longer
        assert min(rows.min(), cols.min()) > 0 and rows.max() < scene.size.height - 1
        under = np.bincount(scene.region[rows, cols], minlength=len(REGIONS) + 1)
        place = REGIONS[under.argmax() - 1]
        assert place in THINGS[thing].where


def test_their_sizes_are_those_of_small_things(scene):
    longest = []
    for number in range(1, len(scene.things) + 1):
        rows, cols = np.nonzero(scene.owner == number)
        longest.append(max(np.ptp(rows), np.ptp(cols)) + 1)
    assert min(longest) < 14 and np.percentile(longest, 90) > 30
    assert np.median(longest) == pytest.approx(24, abs=4)


def test_cars_drive_along_roads_and_tanks_come_in_both_kinds(scene):
    on_roads = [scene.region[scene.owner == n + 1] for n, thing in enumerate(scene.things) if thing in (CAR, TRUCK)]
    assert sum((np.bincount(one).argmax() == ROAD) for one in on_roads) > len(on_roads) / 4
    assert THINGS[FULL_TANK].draw is THINGS[EMPTY_TANK].draw and THINGS[FULL_TANK].size == THINGS[EMPTY_TANK].size


def test_a_scene_follows_from_its_seed():
    one, same, other = (draw_aerial(ImageSize(300, 260), np.random.default_rng(seed), 5) for seed in (7, 7, 8))
    for part in ('color', 'region', 'owner'):
        assert (getattr(one, part) == getattr(same, part)).all()
        assert (getattr(one, part) != getattr(other, part)).any()
