"""Windows of arrays in .npy files."""

import numpy as np
import pytest

from convnext_dense.errors import UserError
from convnext_dense.io.rasters import npy, open_raster
from convnext_dense.io.window import Window

WINDOWS = [Window(0, 0, 33, 41), Window(0, 0, 3, 41), Window(30, 37, 3, 4), Window(7, 5, 1, 1)]


@pytest.mark.parametrize('kind', ['u1', '<u2', '>u2', 'i2', '>i4', 'f2', '<f4', '>f8', 'i8', '?'])
@pytest.mark.parametrize('shape', [(33, 41), (33, 41, 6)])
def test_arrays(kind, shape, tmp_path):
    array = (np.random.default_rng(0).uniform(0, 100, shape)).astype(kind)
    expected = array.reshape(33, 41, -1)
    for order in 'CF':
        np.save(tmp_path / 'a.npy', np.asarray(array, order=order))
        with open_raster(tmp_path / 'a.npy') as raster:
            assert (raster.size, raster.bands) == ((33, 41), expected.shape[2])
            assert raster.dtype.isnative and raster.dtype == (
                np.uint8 if kind == '?' else np.dtype(kind).newbyteorder('=')
            )
            assert np.array_equal(raster.read(), expected)
            for window in WINDOWS:
                assert np.array_equal(raster.read(window, [0]), expected[window.slices][..., :1])


def test_only_the_rows_of_a_window_are_read(tmp_path, monkeypatch):
    counts, read_at = [], npy.read_at
    monkeypatch.setattr(npy, 'read_at', lambda file, at, count: counts.append(count) or read_at(file, at, count))
    for order, expected in (('C', [5 * 6 * 4] * 2), ('F', [2 * 4] * 5)):
        np.save(tmp_path / 'a.npy', np.zeros((33, 41, 6), np.float32, order=order))
        with open_raster(tmp_path / 'a.npy') as raster:
            raster.read(Window(4, 30, 2, 5), [3])
        assert counts == expected
        counts.clear()


@pytest.mark.parametrize(
    ('array', 'said'),
    [
        (np.zeros((6, 40, 50)), r'6 x 40 x 50 with the bands first, as it seems: save array.transpose\(1, 2, 0\)'),
        (np.zeros(5), 'its array is 5, and images are'),
        (np.zeros((2, 3, 4, 5)), 'its array is 2 x 3 x 4 x 5, and images are'),
        (np.zeros((0, 3)), 'its array is 0 x 3, and images are'),
        (np.zeros((3, 3), complex), 'its array is of complex128, and images are of integers or floats'),
        (np.zeros((3, 3), [('a', 'u1')]), 'and images are of integers or floats'),
        (np.array([['a']], object), 'its array is of object, and images are of integers or floats'),
    ],
)
def test_other_arrays_are_refused(array, said, tmp_path):
    np.save(tmp_path / 'a.npy', array)
    with pytest.raises(UserError, match=rf'^bad image .*a.npy \(.*{said}'):
        open_raster(tmp_path / 'a.npy')


@pytest.mark.parametrize('count', [7, 40, 1000])
def test_truncated_files(count, tmp_path):
    np.save(tmp_path / 'a.npy', np.zeros((33, 41, 6)))
    content = (tmp_path / 'a.npy').read_bytes()
    (tmp_path / 'a.npy').write_bytes(content[:count])
    with pytest.raises(UserError, match=r'^bad image .*a.npy \([^\n]+\)$'):
        open_raster(tmp_path / 'a.npy')
