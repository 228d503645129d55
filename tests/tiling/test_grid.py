"""Tiles: covering an image, of full size, refused where they make no sense."""

import itertools

import numpy as np
import pytest

from convnext_dense.errors import UserError
from convnext_dense.io.image_size import ImageSize
from convnext_dense.io.window import Window
from convnext_dense.tiling.grid import TileAxis, check_tiles, tile_step, tile_windows


def test_windows_go_row_by_row_and_the_last_are_shifted_inwards():
    assert tile_windows(ImageSize(70, 100), ImageSize(40, 50), 0.2) == [
        *[Window(0, 0, 40, 50), Window(0, 40, 40, 50), Window(0, 50, 40, 50)],
        *[Window(30, 0, 40, 50), Window(30, 40, 40, 50), Window(30, 50, 40, 50)],
    ]


@pytest.mark.parametrize('overlap', [0, 0.1, 0.2, 1 / 3, 0.5])
def test_every_pixel_is_covered_by_tiles_of_full_size_that_overlap_as_asked(overlap):
    tile = ImageSize(32, 40)
    for size in itertools.starmap(ImageSize, [(32, 40), (64, 80), (33, 41), (100, 97), (20, 300), (7, 5)]):
        covered = np.zeros(size, int)
        windows = tile_windows(size, tile, overlap)
        assert len(set(windows)) == len(windows)
        for window in windows:
            assert window.size == (min(32, size.height), min(40, size.width))
            covered[window.slices] += 1
        assert covered.min() == 1 and covered.shape == size
        for starts in ({w.top for w in windows}, {w.left for w in windows}):
            steps = np.diff(sorted(starts))
            assert (steps[:-1] >= (32 if starts == {w.top for w in windows} else 40) * 0.5).all()


def test_a_tile_larger_than_the_image_is_the_image():
    assert tile_windows(ImageSize(50, 60), ImageSize(640, 640), 0.2) == [Window(0, 0, 50, 60)]
    assert tile_windows(ImageSize(50, 640), ImageSize(640, 640), 0.5) == [Window(0, 0, 50, 640)]


def test_the_step_of_shares_that_are_no_floats():
    assert [TileAxis(10_000, 640, overlap).step for overlap in (0.2, 0.1, 0.3, 0.7 / 2)] == [512, 576, 448, 416]
    assert TileAxis(10_000, 40, 0.45).step == 22, '40 * (1 - 0.45) is a bit more'
    assert TileAxis(100, 33, 0.5).step == 17, 'tiles would overlap those after the next'


def test_the_step_is_a_multiple_of_the_stride_where_the_overlap_allows_it():
    assert [tile_step(800, overlap) for overlap in (0.45, 0.2, 0.1)] == [416, 640, 704], 'not 440, 640, 720'
    assert tile_step(500, 0.2) == 384, 'not 400'
    assert [tile_step(500, 0), tile_step(224, 0)] == [500, 224], 'tiles that are not to overlap do not'
    assert tile_step(224, 0.5) == 112, '96 would be more than half'
    assert tile_step(40, 0.4) == 24, 'no multiple is left'
    assert [tile_step(64, 0.25), tile_step(128, 0.1)] == [48, 116], '32 and 96 would be many more tiles'
    shares = [(tile, share / 100) for tile in range(256, 700, 32) for share in range(5, 46)]
    assert all(tile_step(tile, share) % 32 == 0 or tile_step(tile, share) < tile / 2 + 32 for tile, share in shares)


def test_middles_part_the_overlaps():
    axis = TileAxis(100, 40, 0.25)
    assert (axis.starts, axis.bounds, axis.middles) == ([0, 30, 60], [0, 30, 60, 100], [0, 35, 65, 100])
    assert not axis.last_shifted and TileAxis(101, 40, 0.25).last_shifted
    assert not TileAxis(40, 40, 0.25).last_shifted


@pytest.mark.parametrize('overlap', [-0.1, 0.51, 1.0, float('nan')])
def test_overlaps_outside_of_half_a_tile_are_refused(overlap):
    with pytest.raises(UserError, match=rf'an overlap of {overlap:g} is not .*choose one from 0 to 0.5'):
        check_tiles(ImageSize(64, 64), overlap)


def test_tiles_smaller_than_the_stride_are_refused():
    check_tiles(ImageSize(32, 32), 0.5)
    with pytest.raises(UserError, match='tiles of 64 x 31 pixels are smaller than the stride of the networks, 32'):
        tile_windows(ImageSize(100, 100), ImageSize(64, 31), 0.2)
