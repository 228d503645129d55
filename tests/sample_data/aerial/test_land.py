"""The land of large scenes: all regions, and two that look the same."""

from __future__ import annotations

import numpy as np
import pytest

from convnext_dense.io.image_size import ImageSize
from convnext_dense.sample_data.aerial.land import BARLEY, OAKS, PINES, REGIONS, ROAD, WATER, WHEAT, draw_land


@pytest.fixture(scope='module')
def land():
    return draw_land(ImageSize(1100, 1300), np.random.default_rng(4))


def test_every_region_is_there_and_every_pixel_has_one(land):
    shares = np.bincount(land.region.ravel(), minlength=len(REGIONS) + 1) / land.region.size
    assert shares[0] == 0 and len(shares) == len(REGIONS) + 1
    assert (shares[1:] > 0.005).all(), dict(zip(REGIONS, shares[1:], strict=True))
    assert shares[WATER] == pytest.approx(0.17, abs=0.03)


def test_wheat_and_barley_look_the_same_and_water_does_not(land):
    wheat, barley, water = (land.color[land.region == one].astype(float) for one in (WHEAT, BARLEY, WATER))
    apart = np.abs(wheat.mean(0) - barley.mean(0)) / wheat.std(0)
    assert apart.max() < 1.2  # some parcels of each, whose colors are drawn alike
    assert (np.abs(wheat.mean(0) - water.mean(0)) / wheat.std(0)).max() > 3


def test_oaks_and_pines_are_told_apart_by_their_crowns_until_they_are_shrunk(land):
    def crops(region, side):
        places = [(y, x) for y in range(0, 1100 - side, side) for x in range(0, 1300 - side, side)]
        parts = [(land.region[y : y + side, x : x + side], land.color[y : y + side, x : x + side]) for y, x in places]
        return np.array([color[..., 1].astype(float) for labels, color in parts if (labels == region).all()])

    oaks, pines = crops(OAKS, 24), crops(PINES, 24)
    assert min(len(oaks), len(pines)) > 20

    def steps(values):
        return np.abs(np.diff(values, axis=2)).mean((1, 2))

    assert np.percentile(steps(pines), 10) > np.percentile(steps(oaks), 90)
    shrunk = [one.mean((1, 2)) for one in (oaks, pines)]  # as the mean of 24 x 24 pixels
    assert abs(shrunk[0].mean() - shrunk[1].mean()) < shrunk[0].std() / 2


def test_roads_are_where_cars_are_put(land):
    inside = [spot for spot in land.roads if 0 <= spot.x < 1300 and 0 <= spot.y < 1100]
    assert len(inside) > 300
    assert all(land.region[int(spot.y), int(spot.x)] == ROAD for spot in inside)
