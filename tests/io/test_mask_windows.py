"""Windows of masks are cuts of what their readers read, and TIFF is not decoded for them."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from convnext_dense.data.segmentation.annotations import draw
from convnext_dense.data.segmentation.readers import BINARY, INDEX, RAW_COLORS, ColorReader, TableReader
from convnext_dense.errors import UserError
from convnext_dense.io import mask_windows
from convnext_dense.io.image_size import ImageSize
from convnext_dense.io.mask_windows import holds_windows, mask_size, read_numbers
from convnext_dense.io.window import Window
from tests.helpers.mask_folder import save, save_bits, save_with_palette

SIZE = ImageSize(70, 90)
LABELS = np.random.default_rng(0).integers(0, 4, SIZE).astype(np.uint8)
COLORS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 9], [7, 8, 9]], np.uint8)
WINDOWS = [Window(0, 0, *SIZE), Window(31, 50, 33, 40), Window(69, 89, 1, 1)]


def masks(folder):
    save(folder / 'png.png', LABELS)
    save_with_palette(folder / 'palette.png', LABELS)
    save_bits(folder / 'bits.png', LABELS, 2)
    Image.fromarray(LABELS).save(folder / 'strips.tif')
    tifffile.imwrite(folder / 'tiles.tif', LABELS, photometric='minisblack', tile=(16, 32), compression='deflate')
    tifffile.imwrite(folder / 'deep.tif', LABELS.astype(np.uint16) * 100, photometric='minisblack', tile=(16, 32))
    palette = Image.fromarray(LABELS)
    palette.putpalette([9, 8, 7] * 256)
    palette.save(folder / 'palette.tif')
    np.save(folder / 'array.npy', LABELS)
    return sorted(folder.glob('*.*'))


def test_numbers(tmp_path):
    for file in masks(tmp_path):
        whole = INDEX.read(str(file))
        np.testing.assert_array_equal(whole, LABELS.astype(int) * (100 if 'deep' in file.name else 1))
        assert INDEX.size(str(file)) == mask_size(str(file)) == SIZE
        for window in WINDOWS:
            np.testing.assert_array_equal(INDEX.read(str(file), window=window), whole[window.slices], file.name)


def test_tiff_is_read_by_windows(tmp_path, monkeypatch):
    by_windows = [file.name for file in masks(tmp_path) if holds_windows(str(file))]
    assert by_windows == ['deep.tif', 'strips.tif', 'tiles.tif']
    assert read_numbers(str(tmp_path / 'png.png'), WINDOWS[1]) is None
    monkeypatch.setattr(mask_windows.TiffRaster, '_decode', None)  # uncompressed strips are not decoded
    np.testing.assert_array_equal(read_numbers(str(tmp_path / 'strips.tif'), WINDOWS[1]), LABELS[WINDOWS[1].slices])


@pytest.mark.parametrize('suffix', ['png', 'tif', 'npy'])
def test_colors_and_tables(suffix, tmp_path):
    file = tmp_path / f'colors.{suffix}'
    np.save(file, COLORS[LABELS]) if suffix == 'npy' else save(file, COLORS[LABELS])
    color = ColorReader({tuple(one): label for label, one in enumerate(COLORS.tolist())})
    numbers = save(tmp_path / 'numbers.png', LABELS * 20)
    table = TableReader('cityscapes', {0: 3, 20: 2}, 255)
    binary = save(tmp_path / 'binary.png', (LABELS % 2) * 255)
    for reader, path in ((color, file), (RAW_COLORS, file), (table, numbers), (BINARY, binary)):
        whole = reader.read(str(path))
        for window in WINDOWS:
            np.testing.assert_array_equal(reader.read(str(path), window=window), whole[window.slices])
    np.testing.assert_array_equal(color.read(str(file)), LABELS)
    assert not color.reads_windows(str(file))


def test_objects_are_drawn_in_windows():
    rng = np.random.default_rng(0)
    polygons = [(rng.random(12) * 100 - 5).tolist() for _ in range(6)]
    full = {'size': list(SIZE), 'counts': [500, 900, SIZE.height * SIZE.width - 1400]}
    objects = [(label, [points], [0, 0, 1, 1], False) for label, points in enumerate(polygons, 1)]
    objects += [
        (9, full, [0, 0, 1, 1], False),
        (5, None, [60.4, 20.2, 30, 30], False),
        (1, None, [-5, -5, 20, 9], True),
    ]
    whole = draw(objects, SIZE)
    for window in WINDOWS:
        np.testing.assert_array_equal(draw(objects, SIZE, window), whole[window.slices])


def test_a_mask_smaller_than_its_image_is_named(tmp_path):
    for name in ('a.png', 'a.tif'):
        save(tmp_path / name, LABELS)
        with pytest.raises(UserError, match=rf'bad (mask|image) .*{name}'):
            INDEX.read(str(tmp_path / name), window=Window(60, 0, 20, 20))
