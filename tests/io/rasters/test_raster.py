"""What all rasters share: checks of windows and bands."""

import io

import numpy as np
import pytest

from convnext_dense.errors import UserError
from convnext_dense.io.rasters import open_raster
from convnext_dense.io.rasters.raster import read_at
from convnext_dense.io.window import Window


def test_windows_and_bands_outside_are_refused(tmp_path):
    np.save(tmp_path / 'a.npy', np.zeros((20, 30, 4)))
    with open_raster(tmp_path / 'a.npy') as raster:
        for window in (Window(-1, 0, 2, 2), Window(0, 29, 2, 2), Window(19, 0, 2, 2), Window(0, 0, -1, 2)):
            with pytest.raises(UserError, match=r'^bad image .*a.npy \(Window.* is not inside of its 20 x 30'):
                raster.read(window)
        assert raster.read(Window(20, 30, 0, 0)).shape == (0, 0, 4)
        for band in (4, -1):
            with pytest.raises(UserError, match=rf'it has bands 1 to 4, and band {band + 1} is asked for'):
                raster.read(bands=[0, band])


def test_reading_beyond_the_end():
    assert read_at(io.BytesIO(b'abc'), 1, 2) == b'bc'
    with pytest.raises(OSError, match='truncated'):
        read_at(io.BytesIO(b'abc'), 2, 2)
