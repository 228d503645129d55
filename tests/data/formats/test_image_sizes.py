"""Sizes of images, and their paths relative to a folder."""

import pytest
from PIL import Image

from convnext_dense.data.formats.image_sizes import relative, require_headers
from convnext_dense.errors import UserError


def test_sizes_are_upright_and_bad_images_are_named(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new('RGB', (8, 4)).save(tmp_path / 'a.png', exif=exif)
    (header,) = require_headers(['a.png'], tmp_path, tmp_path / 'a.json')
    assert header.upright_size == (8, 4)
    (tmp_path / 'b.png').write_text('no image')
    message = r'a\.json: 1 image that cannot be opened.* \(b\.png: no known image format\): get or remove them'
    with pytest.raises(UserError, match=message):
        require_headers(['a.png', 'b.png'], tmp_path, tmp_path / 'a.json')


def test_paths_relative_to_a_folder(tmp_path):
    paths = [f'{tmp_path}/a/b.png', f'{tmp_path.parent}/c.png']
    assert relative(paths, tmp_path) == ['a/b.png', '../c.png']
