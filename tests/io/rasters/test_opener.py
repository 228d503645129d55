"""The kind of a file is that of its content, and what can't be opened is said in one line."""

import numpy as np
import pytest

from convnext_dense.errors import UserError
from convnext_dense.io.rasters import open_raster


def test_the_content_decides(tmp_path):
    np.save(tmp_path / 'a.npy', np.full((4, 5), 7, np.int16))
    (tmp_path / 'a.npy').rename(tmp_path / 'a.png')
    with open_raster(tmp_path / 'a.png') as raster:
        assert (raster.read() == 7).all()


@pytest.mark.parametrize(
    ('make', 'said'),
    [
        (lambda file: None, 'No such file or directory, errno 2'),
        (lambda file: file.mkdir(), 'Is a directory, errno 21'),
        (lambda file: file.write_bytes(b''), 'it has zero bytes'),
    ],
)
def test_what_is_no_image(make, said, tmp_path):
    make(tmp_path / 'a.tif')
    with pytest.raises(UserError, match=rf'^bad image .*a.tif \({said}\)$'):
        open_raster(tmp_path / 'a.tif')


@pytest.mark.parametrize(('key', 'value'), [('page', 0), ('page', 1.5), ('page', True), ('max_pixels', -1)])
def test_settings_are_whole_numbers_from_1_on(key, value, tmp_path):
    with pytest.raises(UserError, match=f'^{key} {value}: give a whole number, from 1 on$'):
        open_raster(tmp_path / 'a.tif', **{key: value})
