"""Six bands of a scene: the colors in finer steps, and bands that tell apart what looks the same."""

from __future__ import annotations

import numpy as np
import pytest

from convnext_dense.sample_data.aerial.bands import BANDS, GLOW, HIGHEST, LEVELS_OF_COLOR, six_bands
from convnext_dense.sample_data.aerial.land import BARLEY, REGIONS, WHEAT
from convnext_dense.sample_data.aerial.things import EMPTY_TANK, FULL_TANK, THINGS


@pytest.fixture(scope='module')
def bands(scene):
    return six_bands(scene, np.random.default_rng(0))


def test_values_have_twelve_bits_in_sixteen(bands, scene):
    assert bands.shape == (*scene.size, len(BANDS)) and bands.dtype == np.uint16
    assert bands.max() <= HIGHEST == 2**12 - 1
    assert (bands[..., :3] // LEVELS_OF_COLOR == scene.color).all()
    assert bands.std((0, 1)).min() > 100


def test_only_the_other_bands_tell_wheat_from_barley(bands, scene):
    wheat, barley = (bands[(scene.region == one) & (scene.owner == 0)].astype(float) for one in (WHEAT, BARLEY))
    apart = np.abs(wheat.mean(0) - barley.mean(0)) / np.sqrt(wheat.var(0) + barley.var(0))
    assert apart[:3].max() < 1.2 < 3 < apart[3:5].min()  # some parcels of each, whose colors are drawn alike


def test_only_heat_tells_a_full_tank_from_an_empty_one(bands, scene):
    def values(thing):
        numbers = [number for number, kind in enumerate(scene.things, 1) if kind == thing]
        return bands[np.isin(scene.owner, numbers)].astype(float)

    full, empty = values(FULL_TANK), values(EMPTY_TANK)
    apart = np.abs(full.mean(0) - empty.mean(0)) / np.sqrt(full.var(0) + empty.var(0))
    assert apart[:5].max() < 0.5 < 2 < apart[5]


def test_every_class_has_its_values():
    assert set(GLOW) == {*REGIONS, *(thing.name for thing in THINGS)}
