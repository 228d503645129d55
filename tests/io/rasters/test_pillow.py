"""Images that Pillow reads, as rasters: what is stored, upright."""

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from convnext_dense.errors import UserError
from convnext_dense.io.rasters import open_raster
from convnext_dense.io.window import Window

RGB = np.random.default_rng(0).integers(0, 256, (24, 32, 3)).astype(np.uint8)
GRAY, DEEP = RGB[..., 0], RGB.astype(np.uint16) * 251
KINDS = {
    'rgb.png': (Image.fromarray(RGB), RGB),
    'gray.png': (Image.fromarray(GRAY), GRAY),
    'opacity.png': (Image.fromarray(np.dstack([RGB, GRAY])), RGB),
    'gray_opacity.png': (Image.fromarray(np.dstack([GRAY, GRAY])), GRAY),
    'palette.png': (Image.fromarray(RGB[:4, :4]).quantize(256), RGB[:4, :4]),
    'bits.png': (Image.fromarray(GRAY > 9), np.where(GRAY > 9, 255, 0).astype(np.uint8)),
    'gray16.png': (Image.fromarray(DEEP[..., 0]), DEEP[..., 0]),
    'a.bmp': (Image.fromarray(RGB), RGB),
}


@pytest.mark.parametrize('name', KINDS)
def test_kinds(name, tmp_path):
    image, expected = KINDS[name]
    image.save(tmp_path / name)
    expected = expected.reshape(*expected.shape[:2], -1)
    with open_raster(tmp_path / name) as raster:
        assert (raster.size, raster.bands, raster.dtype) == (expected.shape[:2], expected.shape[2], expected.dtype)
        assert np.array_equal(raster.read(Window(1, 2, 3, 2)), expected[1:4, 2:4])
        assert np.array_equal(raster.read(), expected)


def test_color_of_16_bits_keeps_them(tmp_path):
    assert cv2.imwrite(str(tmp_path / 'a.png'), np.ascontiguousarray(DEEP[..., ::-1]))
    with open_raster(tmp_path / 'a.png') as raster:
        assert (raster.bands, raster.dtype) == (3, np.uint16)
        assert np.array_equal(raster.read(bands=[2, 0]), DEEP[..., [2, 0]])


@pytest.mark.parametrize('orientation', range(1, 9))
def test_images_are_upright(orientation, tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.fromarray(RGB).save(tmp_path / 'a.png', exif=exif)
    with Image.open(tmp_path / 'a.png') as image, open_raster(tmp_path / 'a.png') as raster:
        expected = np.asarray(ImageOps.exif_transpose(image))
        assert raster.size == expected.shape[:2]
        assert np.array_equal(raster.read(Window(3, 4, 11, 12)), expected[3:14, 4:16])


def test_the_limit_and_pages(tmp_path):
    Image.fromarray(RGB).save(tmp_path / 'a.png')
    with pytest.raises(UserError, match=r'768 pixels \(24 x 32\), more than 767: .* --max-pixels 768'):
        open_raster(tmp_path / 'a.png', max_pixels=767)
    with pytest.raises(UserError, match='it has no page 2, which --page asks for'):
        open_raster(tmp_path / 'a.png', page=2)
    frames = [Image.fromarray(np.full((8, 8), value, np.uint8)) for value in (10, 200)]
    frames[0].save(tmp_path / 'a.gif', save_all=True, append_images=frames[1:])
    with open_raster(tmp_path / 'a.gif', page=2) as raster:
        assert (raster.read() == 200).all()
