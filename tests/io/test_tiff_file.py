"""TIFF files that are written strip by strip; those of label maps are tested in tests/tiling/test_label_file.py."""

import os

import numpy as np
import pytest
import tifffile
from PIL import Image

from convnext_dense.io.image_size import ImageSize
from convnext_dense.io.tiff_file import write_tiff


@pytest.mark.parametrize('size', [(300, 520), (256, 256), (3, 5)])
def test_colors_are_read_back_by_others(tmp_path, size):
    values, seen = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8), []

    def read(window):
        seen.append(window)
        return values[window.slices]

    path = tmp_path / 'a.tif'
    write_tiff(path, read, ImageSize(*size), np.dtype(np.uint8), colors=True)
    assert np.array_equal(tifffile.imread(path), values) and np.array_equal(np.asarray(Image.open(path)), values)
    with tifffile.TiffFile(path) as file:
        assert file.pages[0].is_tiled and file.pages[0].photometric == tifffile.PHOTOMETRIC.RGB
    assert [window.top for window in seen] == list(range(0, size[0], 256)) and all(w.width == size[1] for w in seen)
    assert os.listdir(tmp_path) == ['a.tif']


def test_an_error_leaves_no_file(tmp_path):
    def read(window):
        if window.top:
            raise OSError('broken')
        return np.zeros(window.size, np.uint8)

    with pytest.raises(OSError, match='broken'):
        write_tiff(tmp_path / 'a.tif', read, ImageSize(600, 20), np.dtype(np.uint8))
    assert not os.listdir(tmp_path)
