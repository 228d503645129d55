"""Images as people have them come out upright, in RGB, with 8 bits."""

import numpy as np
import pytest
from PIL import Image

from convnext_dense.errors import UserError
from convnext_dense.io.images import read_rgb

GRAY = np.arange(0, 240, 20, dtype=np.uint8).reshape(3, 4)
RGB = np.stack([GRAY, GRAY + 5, 255 - GRAY], axis=-1)
EXACT = {
    'rgb.png': (Image.fromarray(RGB), RGB),
    'gray.png': (Image.fromarray(GRAY), GRAY[..., None]),
    'gray16.png': (Image.fromarray(GRAY.astype(np.uint16) * 257), GRAY[..., None]),
    'gray16.tif': (Image.fromarray(GRAY.astype(np.uint16) * 257 + 100), GRAY[..., None]),
    'rgba.png': (Image.fromarray(np.dstack([RGB, GRAY])), RGB),
    'gray_alpha.png': (Image.fromarray(np.dstack([GRAY, GRAY])), GRAY[..., None]),
    'palette.png': (Image.fromarray(RGB).quantize(256), RGB),
    'bits.png': (Image.fromarray(GRAY > 100), np.where(GRAY > 100, 255, 0)[..., None]),
    'one.png': (Image.fromarray(RGB[:1, :1]), RGB[:1, :1]),
}


@pytest.mark.parametrize('name', EXACT)
def test_every_kind_of_image(name, tmp_path):
    image, expected = EXACT[name]
    image.save(tmp_path / name)
    found = read_rgb(tmp_path / name)
    assert found.dtype == np.uint8
    assert found.shape == (*expected.shape[:2], 3)
    assert (found == expected).all()


def test_cmyk(tmp_path):
    Image.fromarray(RGB).resize((64, 48)).convert('CMYK').save(tmp_path / 'a.jpg', quality=100)
    difference = read_rgb(tmp_path / 'a.jpg').astype(int) - np.asarray(Image.fromarray(RGB).resize((64, 48)))
    assert abs(difference).max() < 12


@pytest.mark.parametrize(
    ('orientation', 'turned'), [(1, RGB), (3, np.rot90(RGB, 2)), (6, np.rot90(RGB, -1)), (8, np.rot90(RGB))]
)
def test_exif_says_which_side_is_up(orientation, turned, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(RGB).save(tmp_path / 'a.png', exif=exif)
    assert np.array_equal(read_rgb(tmp_path / 'a.png'), turned)


def test_an_image_that_cannot_be_read_is_named(tmp_path):
    whole, cut = tmp_path / 'whole.jpg', tmp_path / 'cut.jpg'
    Image.fromarray(RGB).resize((64, 48)).save(whole)
    cut.write_bytes(whole.read_bytes()[:-200])
    for path in (cut, tmp_path / 'absent.png'):
        with pytest.raises(UserError, match=f'^bad image {path} \\(.+\\)$'):
            read_rgb(path)
    with pytest.raises(UserError, match=r'absent.png \(No such file or directory, errno 2\)$'):
        read_rgb(tmp_path / 'absent.png')
