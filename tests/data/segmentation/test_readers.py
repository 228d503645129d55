"""Readers of masks: tables, colors, and what they say of pixels of no class."""

import numpy as np
import pytest
from PIL import Image

from convnext_dense.data.segmentation.readers import (
    BINARY,
    INDEX,
    ColorReader,
    RawColors,
    TableReader,
    in_hex,
    packed,
    unpacked,
)
from convnext_dense.io.color_masks import BadLabels
from tests.helpers.mask_folder import draw_labels, save


def test_numbers_in_equal_channels_are_labels_and_others_are_not(tmp_path):
    for mode in ('L', 'RGB', 'RGBA', 'LA'):
        path = save(tmp_path / f'{mode}.png', draw_labels(0), mode)
        np.testing.assert_array_equal(INDEX.read(str(path)), draw_labels(0))
    path = save(tmp_path / 'colors.png', np.arange(6720).reshape(40, 56, 3).astype(np.uint8))
    with pytest.raises(BadLabels, match='with several channels: 3') as error:
        INDEX.read(str(path))
    assert (error.value.fault, error.value.detail) == ('with several channels', '3')


def test_a_table_maps_numbers(tmp_path):
    path = str(save(tmp_path / 'a.png', draw_labels(0)))
    reader = TableReader('test', {0: 255, 5: 3}, 9)
    labels = reader.read(path)
    assert labels.dtype == np.uint8 and reader.digest == 'test'
    np.testing.assert_array_equal(labels, np.select([draw_labels(0) == 0, draw_labels(0) == 5], [255, 3], 9))
    with pytest.raises(BadLabels, match='with numbers that are no ids: 1, 2, 3, 4'):
        TableReader('test', {0: 0, 5: 1}, None).read(path)
    deep = save(tmp_path / 'deep.png', draw_labels(0).astype(np.uint16) * 300)
    with pytest.raises(BadLabels, match='300, 600, 900'):
        reader.read(str(deep))


def test_0_1_and_255_are_binary(tmp_path):
    path = save(tmp_path / 'a.png', np.array([[0, 1, 255]], np.uint8))
    assert BINARY.read(str(path)).tolist() == [[0, 1, 1]]
    with pytest.raises(BadLabels, match='with other numbers than 0 and 255: 7'):
        BINARY.read(str(save(tmp_path / 'b.png', np.array([[0, 7, 255]], np.uint8))))


def test_colors_are_packed_as_in_hexadecimal():
    assert (packed((10, 11, 12)), in_hex(packed((10, 11, 12)))) == (0x0A0B0C, '#0a0b0c')
    assert unpacked(0xFF8001) == (255, 128, 1)


def test_colors_of_no_class_are_counted(tmp_path):
    reader = ColorReader({(0, 0, 0): 0, (200, 0, 0): 1, (9, 9, 9): 255})
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[0] = (200, 0, 0)
    pixels[1] = (9, 9, 9)
    path = save(tmp_path / 'a.png', pixels)
    assert reader.read(str(path)).tolist() == [[1] * 6, [255] * 6, [0] * 6, [0] * 6]
    pixels[2, :2], pixels[3, 0] = (0, 90, 90), (1, 1, 1)
    save(path, pixels)
    with pytest.raises(BadLabels, match='with colors that no class has: 3 pixels of #005a5a, #010101'):
        reader.read(str(path))
    raw = RawColors()
    assert raw.count(raw.read(str(path))) == {0: 9, 0xC80000: 6, 0x090909: 6, 0x005A5A: 2, 0x010101: 1}


def test_numbers_of_16_bits_are_no_colors(tmp_path):
    path = save(tmp_path / 'a.png', draw_labels(0).astype(np.uint16))
    with pytest.raises(BadLabels, match='with numbers rather than colors: I;16'):
        ColorReader({(0, 0, 0): 0}).read(str(path))


def test_readers_of_other_labels_have_other_digests():
    one, other = ColorReader({(0, 0, 0): 0, (1, 1, 1): 1}), ColorReader({(0, 0, 0): 1, (1, 1, 1): 0})
    assert len({INDEX.digest, BINARY.digest, one.digest, other.digest, RawColors().digest}) == 5


def test_a_gif_has_the_labels_of_its_gray_levels(tmp_path):
    """Its palette is sorted as its program likes."""
    image = Image.fromarray((draw_labels(0) > 2).astype(np.uint8))
    image.putpalette([255, 255, 255, 0, 0, 0])
    image.save(tmp_path / 'a.gif')
    np.testing.assert_array_equal(BINARY.read(str(tmp_path / 'a.gif')), draw_labels(0) <= 2)
