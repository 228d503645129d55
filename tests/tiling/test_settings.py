"""The settings of tiles are read from configs, and what makes no sense is refused in one line."""

import re

import pytest

from convnext_dense.errors import UserError
from convnext_dense.io.image_size import ImageSize
from convnext_dense.tiling.grid import TileAxis
from convnext_dense.tiling.settings import TileSettings


def test_one_number_is_both_sides_and_the_rest_has_defaults():
    assert TileSettings.of(None) is None
    assert TileSettings.of(dict(size=640)) == TileSettings(ImageSize(640, 640), 0.2, 0.1, 0.3, False)
    stated = dict(size=[512, 640], overlap=0, empty_share=0.5, least_visible=1, whole=True)
    settings = TileSettings.of(stated)
    assert settings == TileSettings(ImageSize(512, 640), 0.0, 0.5, 1.0, True)
    assert TileSettings.of(settings.as_config()) == TileSettings.of(settings) == settings


@pytest.mark.parametrize(
    ('setting', 'message'),
    [
        (640, 'tiles=640: give a dict with size, and optionally overlap, empty_share, least_visible, whole'),
        (dict(overlap=0.2), 'give a dict with size'),
        (dict(size=640, steps=2), 'give a dict with size'),
        (dict(size=31), 'tiles of 31 x 31 pixels are smaller than the stride of the networks, 32'),
        (dict(size=0), 'tiles.size=0: give height and width in pixels'),
        (dict(size=(640, 640, 3)), 'tiles.size=(640, 640, 3): give height and width in pixels'),
        (dict(size=640.0), 'tiles.size=640.0: give height and width'),
        (dict(size=640, overlap=0.6), 'an overlap of 0.6 is not a share of a tile: choose one from 0 to 0.5'),
        (dict(size=640, overlap='half'), "tiles.overlap='half': give a number"),
        (dict(size=640, empty_share=1), 'tiles.empty_share=1: choose a share of the tiles from 0 to below 1'),
        (dict(size=640, empty_share=float('nan')), 'tiles.empty_share=nan: choose a share'),
        (dict(size=640, least_visible=0), 'tiles.least_visible=0: choose a share of a box above 0, up to 1'),
        (dict(size=640, least_visible=True), 'tiles.least_visible=True: give a number'),
        (dict(size=640, whole=1), 'tiles.whole=1: choose True or False'),
    ],
)
def test_others_are_refused(setting, message):
    with pytest.raises(UserError, match=re.escape(message)):
        TileSettings.of(setting)


@pytest.mark.parametrize('overlap', [0, 0.2, 0.45, 0.5])
def test_the_distance_is_that_of_the_tiles(overlap):
    settings = TileSettings.of(dict(size=(800, 333), overlap=overlap))
    assert settings.distance() == tuple(TileAxis(10_000, side, overlap).step for side in (800, 333))


@pytest.mark.parametrize(('size', 'written'), [(640, '640'), ((640, 512), '640 512')])
def test_flags_of_a_run(size, written):
    settings = TileSettings.of(dict(size=size, overlap=0.25))
    assert settings.flags == f'--tile {written} --overlap 0.25 --empty-tiles 0.1 --least-visible 0.3'
