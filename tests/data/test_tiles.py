"""Moving tiles, tables of tiles, and what is said; the rules of each task are tested with its data set."""

import logging

import numpy as np
import pytest
import tifffile
from PIL import Image

from convnext_dense.data import tiles
from convnext_dense.data.sampler import seeded
from convnext_dense.data.tiles import (
    TileTable,
    draw_content,
    draw_window,
    reach_of,
    report_tiles,
    report_whole_decoding,
)
from convnext_dense.errors import UserError
from convnext_dense.io.image_size import ImageSize
from convnext_dense.io.window import Window
from convnext_dense.io.windowed_image import decodes_whole
from convnext_dense.tiling.grid import tile_windows
from convnext_dense.tiling.settings import TileSettings

SIZE = ImageSize(100, 130)
SETTINGS = TileSettings.of(dict(size=(40, 60), overlap=0.25))  # 30 and 45 apart
INNER = Window(30, 45, 40, 60)


@pytest.fixture
def said(monkeypatch):
    lines = []
    monkeypatch.setattr(tiles, 'print_log', lambda line, logger, level=logging.INFO: lines.append((level, line)))
    return lines


def test_tiles_are_moved_by_up_to_half_their_distance_inside_of_the_image():
    with seeded(0):
        drawn = [draw_window(INNER, SIZE, SETTINGS.distance()) for _ in range(3000)]
    assert {one.size for one in drawn} == {INNER.size}
    assert {one.top - 30 for one in drawn} == set(range(-15, 16))
    assert {one.left - 45 for one in drawn} == set(range(-22, 23))
    assert abs(np.mean([one.top for one in drawn]) - 30) < 1
    for tile in tile_windows(SIZE, SETTINGS.size, SETTINGS.overlap):
        reach = reach_of(tile, SIZE, SETTINGS.distance())
        for _ in range(200):
            window = draw_window(tile, SIZE, SETTINGS.distance())
            assert window == window.intersection(Window.whole(SIZE)) == window.intersection(reach)


def test_pixels_at_the_border_are_seen():
    with seeded(0):
        drawn = [draw_window(Window(0, 0, 40, 60), SIZE, SETTINGS.distance()) for _ in range(1000)]
    assert 0.4 < np.mean([one.top == 0 for one in drawn]) < 0.65


def test_a_tile_larger_than_the_image_stays():
    whole = Window.whole(SIZE)
    assert draw_window(whole, SIZE, ImageSize(512, 512)) == reach_of(whole, SIZE, ImageSize(512, 512)) == whole


def test_places_are_drawn_until_something_is_there_and_at_last_the_tile_itself_is_taken():
    asked = []

    def content(window):
        asked.append(window)
        return 'thing' if len(asked) == 4 or window == INNER else None

    with seeded(0):
        window, found = draw_content(INNER, SIZE, SETTINGS.distance(), content)
    assert found == 'thing' and window == asked[3] and len(set(asked)) == 4
    window, found = draw_content(INNER, SIZE, ImageSize(2, 2), lambda one: 'thing' if one == INNER else None)
    assert (window, found) == (INNER, 'thing')
    with pytest.raises(UserError, match='nothing is left to learn'):
        draw_content(INNER, SIZE, SETTINGS.distance(), lambda _: None)


@pytest.mark.parametrize(('share', 'used'), [(0, 0), (0.1, 20), (0.4, 120), (0.25, 60)])
def test_the_share_is_of_the_tiles_of_an_epoch(share, used, said):
    settings = SETTINGS._replace(empty_share=share)
    table = TileTable([(i // 5, INNER) for i in range(180)], [(i, INNER) for i in range(120)], settings)
    assert (len(table), table.empty_used, table.total) == (180 + used, used, 300)
    if 0 < used < 120:
        assert used / len(table) == pytest.approx(share)
    report_tiles('train', 12, table, settings)
    shown = used or 'none'
    assert said == [
        (
            logging.INFO,
            f'train: 12 images in 300 tiles of 40 x 60, of which 180 show something, {shown} of the 120 empty ones in '
            'each epoch',
        )
    ]


def test_images_that_are_smaller_than_a_tile_are_said(said):
    strip, whole = Window(0, 0, 20, 60), Window(0, 0, 40, 60)
    table = TileTable([(0, strip), (0, strip), (1, whole)], [(2, Window(0, 0, 40, 59))], SETTINGS)
    report_tiles('train', 3, table, SETTINGS)
    assert said[0][1].endswith('; the tiles of 2 images with a side shorter than a tile are resized like images')


def test_empty_tiles_are_drawn_from_all_by_the_seed():
    table = TileTable([(0, INNER)] * 9, [(i, INNER) for i in range(50)], SETTINGS)
    assert table.empty_used == 1

    def draw(seed):
        with seeded(seed):
            return table.pick(9)

    assert [draw(seed) for seed in range(5)] == [draw(seed) for seed in range(5)]
    assert len({draw(seed).image for seed in range(100)}) > 35 and not draw(0).shows
    assert table.pick(9, draws=False).image == 0 and table.pick(3) == (0, INNER, True)


def test_large_images_that_are_decoded_for_each_tile_are_named(tmp_path, monkeypatch, said):
    pixels = np.zeros((*SIZE, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / 'a.png')
    tifffile.imwrite(tmp_path / 'tiles.tif', pixels, photometric='rgb', tile=(16, 16), compression='deflate')
    tifffile.imwrite(tmp_path / 'one_strip.tif', pixels, photometric='rgb', rowsperstrip=100, compression='deflate')
    names = ('a.png', 'tiles.tif', 'one_strip.tif', 'absent.png')
    images = [(str(tmp_path / name), SIZE) for name in names]
    report_whole_decoding('train', images, decodes_whole)
    assert not said
    monkeypatch.setattr(tiles, 'LARGE_IMAGE', 12_999)
    report_whole_decoding('train', images, decodes_whole)
    assert said == [
        (
            logging.WARNING,
            'train: 2 large images are decoded as a whole for each tile, which is slow and takes memory: a.png, '
            'one_strip.tif: save them as TIFF in tiles, such as by tifffile.imwrite(file, array, tile=(256, 256))',
        )
    ]
