"""The limit of pixels is a setting of each call, beside Pillow's own, which is a global variable."""

import io
import re

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

from convnext_dense.data.image_scan import read_header, scan_image
from convnext_dense.errors import UserError
from convnext_dense.io.image_size import ImageSize
from convnext_dense.io.images import open_image, read_rgb
from convnext_dense.io.opening import DEFAULT_MAX_PIXELS, Opening, TooManyPixels, as_opening, open_by_pillow

PIXELS = np.random.default_rng(0).integers(0, 256, (30, 40, 3)).astype(np.uint8)


def test_the_default_is_pillows():
    assert DEFAULT_MAX_PIXELS == 2 * Image.MAX_IMAGE_PIXELS == 178_956_970
    with pytest.raises(
        TooManyPixels, match=r'178,970,000 pixels \(10000 x 17897\), more than 178,956,970: .*178970000'
    ):
        Opening().check_size(ImageSize(10_000, 17_897))
    Opening(max_pixels=178_970_000).check_size(ImageSize(10_000, 17_897))


@pytest.mark.parametrize('name', ['a.png', 'a.jpg', 'a.bmp', 'a.tif', 'a.npy'])
def test_images_above_the_limit(name, tmp_path):
    file = tmp_path / name
    np.save(file, PIXELS) if name == 'a.npy' else Image.fromarray(PIXELS).save(file)
    with pytest.raises(
        UserError, match=re.escape(f'bad image {file} (it has 1,200 pixels (30 x 40), more than 1,199: ')
    ):
        read_rgb(file, opening=Opening(max_pixels=1199))
    assert np.array_equal(read_rgb(file, opening=Opening(max_pixels=1200)), read_rgb(file))
    scan = scan_image((str(file), None), opening=Opening(max_pixels=1199))
    assert scan.is_too_large and '--max-pixels 1200' in scan.fault
    assert read_header(str(file)).size == (30, 40)
    assert '--max-pixels 1200' in read_header(str(file), Opening(max_pixels=1199))


@pytest.mark.parametrize('name', ['a.png', 'a.jpg', 'a.bmp'])
def test_pillows_limit_does_not_hold_where_one_is_set(name, tmp_path, monkeypatch):
    Image.fromarray(PIXELS).save(tmp_path / name)
    expected = read_rgb(tmp_path / name)
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 100)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(tmp_path / name)
    assert np.array_equal(read_rgb(tmp_path / name, opening=Opening(max_pixels=1200)), expected)
    assert read_header(str(tmp_path / name)).size == (30, 40)


def test_an_image_that_claims_too_many_pixels_is_refused_without_decoding(tmp_path):
    content = io.BytesIO()
    Image.new('1', (8, 8)).save(content, 'BMP')
    claimed = bytearray(content.getvalue())
    claimed[18:26] = (20_000).to_bytes(4, 'little') * 2
    (tmp_path / 'a.bmp').write_bytes(claimed)
    with pytest.raises(UserError, match=r'400,000,000 pixels \(20000 x 20000\).*--max-pixels 400000000'):
        read_rgb(tmp_path / 'a.bmp')


def test_a_large_tiff_is_not_for_pillow(tmp_path, monkeypatch):
    Image.fromarray(PIXELS).save(tmp_path / 'a.tif')
    monkeypatch.setattr('convnext_dense.io.images.DEFAULT_MAX_PIXELS', 100)  # whose decoder has no other limit
    with open_image(tmp_path / 'a.tif', opening=Opening(max_pixels=1200)) as image:
        assert type(image).__name__ == 'RasterImage'
        assert np.array_equal(np.asarray(image), PIXELS)


def test_a_header_is_read_without_decoding(tmp_path, monkeypatch):
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(PIXELS).save(tmp_path / 'a.png', exif=exif)
    monkeypatch.setattr(Image.Image, 'load', lambda self: pytest.fail('decoded'))
    monkeypatch.setattr('PIL.ImageFile.ImageFile.load', lambda self: pytest.fail('decoded'))
    header = read_header(str(tmp_path / 'a.png'))
    assert (header.size, header.orientation) == ((30, 40), 6)


def test_settings_of_configs():
    assert as_opening(2, 10) == Opening(2, 10)
    for value in (0, '3', 2.0, True):
        with pytest.raises(UserError, match=r'^max_pixels .*: give a whole number, from 1 on'):
            as_opening(None, value)


def test_what_pillow_does_not_know():
    for content in (b'', b'c', b'no image at all, in any case'):
        with pytest.raises(UnidentifiedImageError):
            open_by_pillow(io.BytesIO(content))
