"""Images as people have them come out upright, in RGB, with 8 bits."""

import base64
import json
import struct
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from convnext_dense.errors import UserError
from convnext_dense.io.images import measure_values, open_image, read_rgb
from convnext_dense.io.value_range import ValueRange

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


RAMP = np.arange(48, dtype=np.float64).reshape(6, 8) / 47  # 0 to 1
TWELVE = (RAMP * 4095).round().astype(np.uint16)
COLOR = np.stack([TWELVE, TWELVE // 2, TWELVE // 4], axis=-1)


def deep_files(folder: Path) -> dict[str, Path]:
    """A ramp of 12 bits in every kind of file that holds more than 8."""
    files = {}
    for name, pixels in {
        'gray.png': TWELVE,
        'gray.tif': TWELVE,
        'int32.tif': TWELVE.astype(np.int32),
        'float.tif': TWELVE.astype(np.float32),
    }.items():
        Image.fromarray(pixels).save(folder / name)
        files[name] = folder / name
    big = Image.fromarray(TWELVE.astype('>u2'))
    big.save(folder / 'big_endian.tif')
    files['big_endian.tif'] = folder / 'big_endian.tif'
    alpha = np.full((6, 8, 1), 65535, np.uint16)
    for name, pixels in {
        'color.png': COLOR,
        'color.tif': COLOR,
        'color_alpha.png': np.dstack([COLOR, alpha]),
    }.items():
        order = [2, 1, 0, *range(3, pixels.shape[2])]  # OpenCV writes BGR
        assert cv2.imwrite(str(folder / name), np.ascontiguousarray(pixels[..., order]))
        files[name] = folder / name
    return files


def test_a_range_that_is_set_scales_every_kind_of_file(tmp_path):
    for name, file in deep_files(tmp_path).items():
        expected = (COLOR if 'color' in name else np.repeat(TWELVE[..., None], 3, axis=2)) / 4095 * 255
        found = read_rgb(file, value_range=ValueRange(0, 4095))
        assert np.array_equal(found, expected.round()), name


def test_without_a_range_12_bits_in_16_are_dark_and_other_types_are_refused(tmp_path):
    files = deep_files(tmp_path)
    for name in ('gray.png', 'gray.tif', 'big_endian.tif', 'color.png', 'color.tif', 'color_alpha.png'):
        assert read_rgb(files[name]).max() in (15, 16), name  # Pillow keeps the upper 8 bits of color
    for name in ('int32.tif', 'float.tif'):
        with pytest.raises(UserError, match=f'bad image .*{name} .*0 to 4095: say which value is black'):
            read_rgb(files[name])


def test_floats_that_are_shares_become_levels(tmp_path):
    Image.fromarray(RAMP.astype(np.float32)).save(tmp_path / 'a.tif')
    assert np.array_equal(read_rgb(tmp_path / 'a.tif')[..., 0], (RAMP * 255).round())


def test_a_range_is_for_images_of_8_bits_too(tmp_path):
    four = (RAMP * 15).round().astype(np.uint8)
    for name, image in {'a.png': Image.fromarray(four), 'b.png': Image.fromarray(np.dstack([four] * 3))}.items():
        image.save(tmp_path / name)
        found = read_rgb(tmp_path / name, value_range=ValueRange(0, 15))
        assert np.array_equal(found[..., 0], four * 17.0)


def test_16_bit_color_is_turned_upright(tmp_path):
    image, exif = Image.fromarray(RGB), Image.Exif()
    for orientation in range(1, 9):
        exif[0x0112] = orientation
        image.save(tmp_path / 'small.tif', exif=exif)
        turned = read_rgb(tmp_path / 'small.tif')  # by Pillow
        assert cv2.imwrite(str(tmp_path / 'deep.png'), np.ascontiguousarray(RGB[..., ::-1]).astype(np.uint16) * 257)
        add_exif(tmp_path / 'deep.png', exif.tobytes())
        assert np.array_equal(read_rgb(tmp_path / 'deep.png', value_range=ValueRange(0, 65535)), turned)


def add_exif(file: Path, exif: bytes) -> None:
    """Insert a chunk with EXIF after the header of a PNG."""
    content, data = file.read_bytes(), exif.removeprefix(b'Exif\0\0')
    chunk = b'eXIf' + data
    chunk = struct.pack('>I', len(data)) + chunk + struct.pack('>I', zlib.crc32(chunk))
    file.write_bytes(content[:33] + chunk + content[33:])


def test_a_tiff_that_pillow_does_not_read_is_read_by_tifffile(tmp_path, monkeypatch):
    assert cv2.imwrite(str(tmp_path / 'a.tif'), np.dstack([RAMP] * 3).astype(np.float32))
    levels = np.dstack([(RAMP.astype(np.float32).astype(float) * 255).round()] * 3)
    assert np.array_equal(read_rgb(tmp_path / 'a.tif', value_range=ValueRange(0, 1)), levels)
    monkeypatch.setitem(sys.modules, 'tifffile', None)
    with pytest.raises(UserError, match=r"^bad image .*a.tif \(TIFF files of this kind need .*pip install 'tifffile'"):
        read_rgb(tmp_path / 'a.tif')


def test_measured_values(tmp_path):
    files = deep_files(tmp_path)
    with open_image(files['gray.png']) as image:
        assert measure_values(image) == ('16-bit', 0, 4095, (0, 65535), (0, 16), 0, 0)
    with open_image(files['color.png']) as image:
        assert measure_values(image)[:5] == ('16-bit', 0, 4095, (0, 65535), (0, 16))
    with open_image(files['float.tif']) as image:
        values = measure_values(image, ValueRange(100, 2000))
    assert values[:5] == ('float', 0, 4095, (100, 2000), (0, 255))
    assert values.above == (TWELVE > 2000).mean()
    assert values.outside == values.above + (TWELVE < 100).mean()
    Image.fromarray(RGB).save(tmp_path / 'rgb.png')
    with open_image(tmp_path / 'rgb.png') as image:
        assert measure_values(image) == ('8-bit', 0, 255, (0, 255), (0, 255), 0, 0)


def test_an_image_inside_of_a_json_file(tmp_path):
    """As LabelMe writes it, with 16 bits in color, whose lower ones need the file."""
    pixels = np.random.default_rng(0).integers(0, 1 << 16, (5, 7, 3), np.uint16)
    encoded = base64.b64encode(cv2.imencode('.png', pixels[..., ::-1])[1].tobytes()).decode()
    for before in (b'', b'\xef\xbb\xbf\n '):
        (tmp_path / 'a.json').write_bytes(before + json.dumps({'shapes': [], 'imageData': encoded}).encode())
        read = read_rgb(tmp_path / 'a.json', value_range=ValueRange(0, (1 << 16) - 1))
        np.testing.assert_allclose(read, pixels / 257, atol=1)


@pytest.mark.parametrize('content', ['{}', '{"imageData": null}', '{"imageData": "a"}', '{"imageData": 3}', '{'])
def test_a_json_file_without_an_image_is_named(tmp_path, content):
    (tmp_path / 'a.json').write_text(content)
    with pytest.raises(UserError, match=r'bad image .*a\.json \(a JSON file without an image in it'):
        read_rgb(tmp_path / 'a.json')
