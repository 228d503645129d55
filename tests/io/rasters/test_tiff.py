"""TIFF files of every kind give the values that were written, and windows decode only what they need."""

import re

import numpy as np
import pytest
import tifffile
from PIL import Image

from convnext_dense.errors import UserError
from convnext_dense.io.rasters import open_raster
from convnext_dense.io.rasters.tiff import TiffRaster
from convnext_dense.io.window import Window

HEIGHT, WIDTH = 37, 53  # which neither tiles of 16 x 32 nor strips of 10 rows divide
WINDOWS = [Window(0, 0, 5, 7), Window(31, 50, 6, 3), Window(10, 3, 20, 31), Window(36, 0, 1, 53), Window(15, 31, 2, 2)]
LAYOUTS = {
    'tiles': {'tile': (16, 32)},
    'strips': {'rowsperstrip': 10},
    'one strip': {},
    'tiles of a BigTIFF': {'tile': (16, 32), 'bigtiff': True},
    'strips, big-endian': {'rowsperstrip': 10, 'byteorder': '>'},
    'tiles, big-endian BigTIFF': {'tile': (32, 16), 'byteorder': '>', 'bigtiff': True},
}
KINDS = ['u1', 'i1', 'u2', 'i2', 'u4', 'i4', 'f4', 'f8']


def values(kind='u2', bands=6):
    low = -100 if kind[0] in 'if' else 0
    drawn = np.random.default_rng(bands).uniform(low, 120, (HEIGHT, WIDTH, bands))
    return drawn.astype(kind)


def write(file, array, **options):
    """Write (H, W, C); bands that are stored apart come first."""
    if options.get('planarconfig') == 'separate':
        array = np.moveaxis(array, -1, 0)
    photometric = options.pop('photometric', 'minisblack')
    options.setdefault('planarconfig', 'contig' if array.shape[-1] > 1 else None)
    tifffile.imwrite(file, array, photometric=photometric, **options)
    return file


def check(file, expected, windows=WINDOWS):
    with open_raster(file) as raster:
        assert (raster.size, raster.bands, raster.dtype) == (expected.shape[:2], expected.shape[2], expected.dtype)
        assert raster.dtype.isnative
        assert np.array_equal(raster.read(), expected)
        for window in windows:
            assert np.array_equal(raster.read(window), expected[window.slices])
            chosen = [expected.shape[2] - 1, 0]
            assert np.array_equal(raster.read(window, chosen), expected[window.slices][..., chosen])


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('layout', LAYOUTS)
def test_types_and_layouts(kind, layout, tmp_path):
    for planar in ('contig', 'separate'):
        for compression in (None, 'deflate'):
            options = {**LAYOUTS[layout], 'planarconfig': planar, 'compression': compression}
            check(write(tmp_path / 'a.tif', values(kind), **options), values(kind), WINDOWS[1:4])


@pytest.mark.parametrize('compression', ['deflate', 'lzw', 'zstd', 'packbits', 'lzma'])
@pytest.mark.parametrize('kind', ['u1', 'u2', 'f4'])
def test_compressions_and_predictors(compression, kind, tmp_path):
    predictors = (None, 3 if kind == 'f4' else 2) if compression in ('deflate', 'lzw', 'zstd') else (None,)
    for predictor in predictors:
        for bands in (1, 3):
            array = values(kind, bands)
            options = {'compression': compression, 'predictor': predictor, 'tile': (16, 32)}
            check(write(tmp_path / 'a.tif', array, **options), array, WINDOWS[2:])


def test_jpeg_is_decoded_as_by_tifffile_and_pillow(tmp_path):
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    smooth = np.dstack([2 * x, 3 * y, x + y]).astype(np.uint8)
    for options in ({'tile': (16, 32)}, {'rowsperstrip': 16}):
        file = write(tmp_path / 'a.tif', smooth, photometric='rgb', compression='jpeg', **options)
        check(file, tifffile.imread(file))
        with open_raster(file) as raster, Image.open(file) as image:
            assert np.abs(raster.read().astype(int) - smooth).max() < 40
            assert np.abs(raster.read().astype(int) - np.asarray(image)).max() < 12  # another upsampling of colors


def counted(monkeypatch, name):
    calls, method = [], getattr(TiffRaster, name)
    monkeypatch.setattr(
        TiffRaster, name, lambda self, content, index: calls.append(index) or method(self, content, index)
    )
    return calls


def test_a_window_decodes_its_tiles_alone_and_once(tmp_path, monkeypatch):
    decoded = counted(monkeypatch, '_decode')
    file = write(tmp_path / 'a.tif', values(), tile=(16, 16), compression='deflate', planarconfig='separate')
    with open_raster(file) as raster:  # 3 x 4 tiles of each band
        raster.read(Window(17, 20, 10, 20), [2])
        assert decoded == [2 * 12 + 4 + 1, 2 * 12 + 4 + 2]
        raster.read(Window(20, 20, 13, 8), [2])  # of which one is new
        assert decoded[2:] == [2 * 12 + 8 + 1]
        raster.read(Window(0, 0, 1, 1), [0])
        assert decoded[3:] == [0]


def test_an_uncompressed_strip_of_the_whole_image_is_read_row_by_row(tmp_path, monkeypatch):
    from convnext_dense.io.rasters import tiff

    counts, read_at = [], tiff.read_at
    monkeypatch.setattr(
        tiff, 'read_at', lambda file, place, count: counts.append(count) or read_at(file, place, count)
    )
    with open_raster(write(tmp_path / 'a.tif', values())) as raster:
        raster.read(Window(30, 9, 4, 5))
        assert counts == [5 * 6 * 2] * 4


def test_a_large_image_is_read_by_windows_without_a_limit(tmp_path):
    file = tmp_path / 'a.tif'
    tifffile.memmap(file, shape=(30_000, 20_000), dtype='uint8')[12_345, 6_789] = 7  # a sparse file of 600 MB
    with open_raster(file) as raster:
        assert raster.read(Window(12_340, 6_780, 10, 20)).nonzero() == (5, 9, 0)
        with pytest.raises(UserError, match=r'600,000,000 pixels \(30000 x 20000\).* --max-pixels 600000000'):
            raster.read()


def test_a_compressed_strip_is_held_to_the_limit(tmp_path):
    file = write(tmp_path / 'a.tif', values(), compression='deflate', rowsperstrip=HEIGHT)
    with open_raster(file, max_pixels=1000) as raster, pytest.raises(UserError, match=r'a strip .* --max-pixels 1961'):
        raster.read(Window(0, 0, 2, 2))
    with open_raster(file, max_pixels=1961) as raster:
        assert raster.read(Window(0, 0, 2, 2)).shape == (2, 2, 6)


def test_tiles_that_are_left_out_have_the_value_of_no_data(tmp_path):
    file = tmp_path / 'a.tif'
    nodata = (42113, 's', 0, '9', True)
    tiles = (tile for tile in [np.full((16, 32), 3, 'u1'), None, None, None])
    tifffile.imwrite(file, tiles, shape=(32, 64), dtype='u1', tile=(16, 32), compression='deflate', extratags=[nodata])
    expected = np.full((32, 64, 1), 9, np.uint8)
    expected[:16, :32] = 3
    check(file, expected, [Window(10, 30, 10, 10)])


@pytest.mark.parametrize('orientation', range(1, 9))
def test_windows_are_of_the_upright_image(orientation, tmp_path):
    array = values('u1', 1)
    file = write(tmp_path / 'a.tif', array, tile=(16, 32), extratags=[(274, 'H', 1, orientation, True)])
    with Image.open(file) as image:
        image.load()
        upright = np.asarray(image)[..., None]
    check(file, upright, [Window(0, 0, 5, 7), Window(20, 30, 16, 6)])


def test_gray_and_palettes_are_levels_as_of_pillow(tmp_path):
    gray = values('u1', 1)[..., 0]
    Image.fromarray(gray).quantize(16).save(tmp_path / 'palette.tif')
    Image.fromarray(gray > 60).save(tmp_path / 'bits.tif')
    tifffile.imwrite(tmp_path / 'white.tif', gray, photometric='miniswhite')
    for name, mode in (('palette.tif', 'RGB'), ('bits.tif', 'L'), ('white.tif', 'L')):
        with Image.open(tmp_path / name) as image, open_raster(tmp_path / name) as raster:
            expected = np.asarray(image.convert(mode)).reshape(HEIGHT, WIDTH, -1)
            assert np.array_equal(raster.read(), expected), name


def test_cmyk_is_converted_by_pillow(tmp_path):
    image = Image.fromarray(values('u1', 4), 'CMYK')
    image.save(tmp_path / 'a.tif')
    check(tmp_path / 'a.tif', np.asarray(image.convert('RGB')))


BROKEN = {
    'cut': lambda content: content[: len(content) // 2],
    'cut in its header': lambda content: content[:6],
    'header alone': lambda content: content[:8],
    'noise in its tiles': lambda content: content[:400] + b'\x55' * (len(content) - 400),
}


@pytest.mark.parametrize('name', BROKEN)
@pytest.mark.parametrize('compression', ['deflate', 'lzw', 'zstd'])
def test_broken_files_give_one_line(name, compression, tmp_path):
    file = write(tmp_path / 'a.tif', values(), tile=(16, 16), compression=compression)
    file.write_bytes(BROKEN[name](file.read_bytes()))
    line = rf'^bad image {re.escape(str(file))} \([^\n]+\)$'
    with pytest.raises(UserError, match=line), open_raster(file) as raster:
        raster.read()


def test_stacks_of_imagej_in_one_page_and_complex_numbers_are_refused(tmp_path):
    description = 'ImageJ=1.54\nimages=3\nslices=3\n'
    tifffile.imwrite(tmp_path / 'a.tif', values('u2', 1)[..., 0], description=description, metadata=None)
    with pytest.raises(UserError, match='a stack of ImageJ with 3 images'):
        open_raster(tmp_path / 'a.tif')
    tifffile.imwrite(tmp_path / 'a.tif', values('f4', 1)[..., 0].astype('c8'))
    with pytest.raises(UserError, match='values of 64 bits are of a kind that is not read'):
        open_raster(tmp_path / 'a.tif')
