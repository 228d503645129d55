"""Windows are crops of what the whole image is read as, whatever its format; TIFF and npy are not decoded for it."""

import re

import numpy as np
import pytest
import tifffile
from PIL import Image

from convnext_dense.data.dense import LoadImage
from convnext_dense.errors import UserError
from convnext_dense.io import windowed_image
from convnext_dense.io.band_choice import BandInput
from convnext_dense.io.georeference import PIXEL_SCALE, TIEPOINTS
from convnext_dense.io.image_size import ImageSize
from convnext_dense.io.images import measure_values, open_image
from convnext_dense.io.opening import Opening
from convnext_dense.io.value_range import BITS_8, ValueRange
from convnext_dense.io.window import Window
from convnext_dense.io.windowed_image import WindowedImage

SIZE = ImageSize(70, 90)
WINDOWS = [Window(0, 0, *SIZE), Window(0, 0, 5, 7), Window(31, 50, 33, 40), Window(69, 89, 1, 1)]
RANGE = ValueRange(10, 3000)


def draw(kind, bands):
    return (np.random.default_rng(bands).random((*SIZE, bands)) * (250 if kind == 'u1' else 4000)).astype(kind)


def tiff(file, kind='u1', bands=3, photometric='rgb', tiles=True, **options):
    array = draw(kind, bands)
    options |= dict(tile=(16, 32)) if tiles else {}
    tifffile.imwrite(file, array if bands > 1 else array[..., 0], photometric=photometric, **options)
    return file


def whole(file, expected=None, is_upright=False, page=None, **settings):
    """What LoadImage reads, in RGB."""
    annotated = {} if expected is None else expected._asdict()
    image = LoadImage(page=page, **settings)(dict(img_path=str(file), is_upright=is_upright, **annotated))['img']
    return image if settings.get('bands') else image[..., ::-1]


def check(file, is_read_by_windows, monkeypatch, value_range=None, expected=None, **settings):
    opening = Opening(page=settings.pop('page', None))
    reference = whole(file, expected, value_range=value_range, page=opening.page, **settings)
    if is_read_by_windows:
        monkeypatch.setattr(windowed_image, 'open_image', None)
    with WindowedImage.open(
        file, value_range=value_range, opening=opening, expected=expected, is_upright=settings.get('is_upright', False)
    ) as image:
        assert (image.size, image.path) == (reference.shape[:2], str(file))
        for window in (one.intersection(Window.whole(image.size)) for one in WINDOWS[:3]):
            read = image.read(window)
            assert read.dtype == np.uint8 and read.flags.c_contiguous
            np.testing.assert_array_equal(read, reference[window.slices])
        np.testing.assert_array_equal(image.read(), reference)


COLORS = {
    'RGB': {},
    'RGB in strips': dict(tiles=False, rowsperstrip=8, compression='deflate'),
    'RGB, planes apart': dict(planarconfig='separate', big=True),
    'opacity': dict(bands=4, extrasamples=['unassalpha']),
    'a fourth band': dict(bands=4, extrasamples=['unspecified']),
    'gray': dict(bands=1, photometric='minisblack'),
    'gray, white is 0': dict(bands=1, photometric='miniswhite'),
    'gray and opacity': dict(bands=2, photometric='minisblack', extrasamples=['unassalpha']),
    'of 16 bits': dict(kind='u2'),
    'gray of 16 bits': dict(kind='u2', bands=1, photometric='minisblack'),
}
DEEP = {
    'of 16 bits': dict(kind='u2'),
    'with opacity': dict(kind='u2', bands=4, extrasamples=['unassalpha']),
    'gray of 16 bits': dict(kind='u2', bands=1, photometric='minisblack'),
    'with a sign': dict(kind='i2', bands=1, photometric='minisblack'),
    'of 32 bits': dict(kind='i4', bands=1, photometric='minisblack'),
    'floats': dict(kind='f4', bands=1, photometric='minisblack'),
    'RGB': dict(kind='u1'),
    'gray': dict(kind='u1', bands=1, photometric='minisblack'),
}


@pytest.mark.parametrize('name', COLORS)
def test_colors_of_tiff(name, tmp_path, monkeypatch):
    options = dict(COLORS[name])
    if options.pop('big', False):
        planes = np.moveaxis(draw('u1', 3), -1, 0)
        tifffile.imwrite(tmp_path / 'a.tif', planes, photometric='rgb', planarconfig='separate', tile=(16, 32))
        check(tmp_path / 'a.tif', True, monkeypatch)
        return
    check(tiff(tmp_path / 'a.tif', **options), True, monkeypatch)


@pytest.mark.parametrize('name', DEEP)
def test_values_in_a_range(name, tmp_path, monkeypatch):
    check(tiff(tmp_path / 'a.tif', **DEEP[name]), True, monkeypatch, value_range=RANGE)


def test_palettes_and_multiplied_opacity(tmp_path, monkeypatch):
    Image.fromarray(draw('u1', 3)).quantize(17).save(tmp_path / 'palette.tif')
    multiplied = tiff(tmp_path / 'a.tif', bands=4, extrasamples=['assocalpha'])
    check(multiplied, False, monkeypatch)
    check(tmp_path / 'palette.tif', True, monkeypatch)


@pytest.mark.parametrize(('kind', 'bands'), [('u1', 1), ('u1', 3), ('u2', 3), ('u2', 1), ('f4', 3)])
def test_npy(kind, bands, tmp_path, monkeypatch):
    np.save(tmp_path / 'a.npy', draw(kind, bands))
    check(tmp_path / 'a.npy', True, monkeypatch, value_range=RANGE if kind == 'f4' else None)


@pytest.mark.parametrize('orientation', [1, 3, 6, 8])
def test_jpeg_and_tiff_are_turned_as_annotated(orientation, tmp_path, monkeypatch):
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(draw('u1', 3)).save(tmp_path / 'a.jpg', exif=exif)
    for is_upright in (False, True):
        for expected in {SIZE, SIZE.transposed if orientation >= 5 else SIZE}:
            check(tmp_path / 'a.jpg', False, monkeypatch, expected=expected, is_upright=is_upright)
    check(tmp_path / 'a.jpg', False, monkeypatch)
    tiff(tmp_path / 'a.tif', extratags=[(274, 'H', 1, orientation, True)])
    check(tmp_path / 'a.tif', True, monkeypatch)


def test_pages_arrays_and_jpeg_inside_of_tiff(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / 'a.tif', np.stack([draw('u1', 3), 255 - draw('u1', 3)]), photometric='rgb')
    check(tmp_path / 'a.tif', True, monkeypatch, page=2)
    array = draw('f4', 6)
    with WindowedImage.of(array) as image:
        assert image.size == SIZE and image.path is None and image.georeference is None
        for window in WINDOWS:
            np.testing.assert_array_equal(image.read(window), array[window.slices])
        with pytest.raises(UserError, match=r'is not inside of the 70 x 90 pixels of the array'):
            image.read(Window(69, 0, 2, 2))
    monkeypatch.undo()
    smooth = np.linspace(0, 255, SIZE.height * SIZE.width * 3).reshape(*SIZE, 3).astype(np.uint8)
    tifffile.imwrite(tmp_path / 'jpeg.tif', smooth, photometric='rgb', tile=(32, 32), compression='jpeg')
    with WindowedImage.open(tmp_path / 'jpeg.tif') as image:
        np.testing.assert_allclose(image.read().astype(int), whole(tmp_path / 'jpeg.tif'), atol=2)


def test_bands_are_read_as_stored_with_the_fill_for_no_data(tmp_path):
    array = draw('f4', 6)
    array[33, 55] = np.nan
    tifffile.imwrite(tmp_path / 'a.tif', array, photometric='minisblack', tile=(16, 32), planarconfig='contig')
    bands, fill = BandInput((6, 1)), [7.0, 8.0]
    reference = whole(tmp_path / 'a.tif', bands=(6, 1), fill=fill)
    assert reference[33, 55].tolist() == fill
    with WindowedImage.open(tmp_path / 'a.tif', bands=bands, fill=fill) as image:
        for window in WINDOWS:
            read = image.read(window)
            assert read.dtype == np.float32
            np.testing.assert_array_equal(read, reference[window.slices])
    with pytest.raises(UserError, match=r'bad image .*a.tif \(--bands 7: there is no band 7, since it has bands 1 to'):
        WindowedImage.open(tmp_path / 'a.tif', bands=BandInput((7,)))


def test_the_place_on_earth_and_what_is_decoded_as_a_whole(tmp_path):
    tags = [(PIXEL_SCALE, 'd', 3, (2.0, 3.0, 0.0), True), (TIEPOINTS, 'd', 6, (0, 0, 0, 100.0, 200.0, 0.0), True)]
    with WindowedImage.open(tiff(tmp_path / 'a.tif', extratags=tags)) as image:
        assert image.georeference.transform == (2, 0, 100, 0, -3, 200)
        assert not image.decodes_whole
    Image.fromarray(draw('u1', 3)).save(tmp_path / 'a.png')
    one_strip = dict(tiles=False, rowsperstrip=SIZE.height)
    tiff(tmp_path / 'plain.tif', **one_strip)
    tiff(tmp_path / 'packed.tif', compression='deflate', **one_strip)
    for name, decodes_whole in [('a.png', True), ('plain.tif', False), ('packed.tif', True)]:
        with WindowedImage.open(tmp_path / name) as image:
            assert image.decodes_whole == decodes_whole
            assert image.georeference is None


def test_windows_of_images_beyond_the_limit_of_pixels(tmp_path, monkeypatch):
    monkeypatch.setattr(windowed_image, 'DEFAULT_MAX_PIXELS', 100)
    for kind in ('u1', 'u2'):
        with WindowedImage.open(tiff(tmp_path / 'a.tif', kind=kind), opening=Opening(max_pixels=600)) as image:
            levels = draw(kind, 3) if kind == 'u1' else np.round(draw(kind, 3) * (255 / 65535)).astype(np.uint8)
            np.testing.assert_array_equal(image.read(WINDOWS[2]), levels[WINDOWS[2].slices])
    Image.fromarray(draw('u1', 3)).save(tmp_path / 'a.png')
    with pytest.raises(UserError, match=r'it has 6,300 pixels \(70 x 90\), more than 600'):
        WindowedImage.open(tmp_path / 'a.png', opening=Opening(max_pixels=600))


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('absent.tif', 'No such file or directory, errno 2'),
        ('text.png', 'not an image'),
        ('six.npy', 'it has 6 bands: choose those to take with --bands'),
        ('six.tif', 'it has 6 bands: choose those to take with --bands'),
        (
            'float.tif',
            'its values are float32, of which windows are read: say which value is black and which is white',
        ),
        ('size.png', 'it is 70 x 90, its annotations say 70 x 91, height x width'),
    ],
)
def test_bad_images_are_named(name, message, tmp_path):
    (tmp_path / 'text.png').write_text('text')
    np.save(tmp_path / 'six.npy', draw('u1', 6))
    tiff(tmp_path / 'six.tif', 'u2', 6, 'minisblack', planarconfig='contig')
    tiff(tmp_path / 'float.tif', 'f4', 1, 'minisblack')
    Image.fromarray(draw('u1', 3)).save(tmp_path / 'size.png')
    expected = ImageSize(70, 91) if name == 'size.png' else None
    with pytest.raises(UserError, match=re.escape(f'bad image {tmp_path / name} ({message}')):
        WindowedImage.open(tmp_path / name, expected=expected)


@pytest.mark.parametrize(('kind', 'value_range'), [('u1', None), ('u2', RANGE), ('i2', RANGE), ('f4', RANGE)])
def test_values_are_those_of_the_whole_image(tmp_path, monkeypatch, kind, value_range):
    file = tiff(tmp_path / 'a.tif', kind)
    monkeypatch.setattr(windowed_image, 'STRIP_PIXELS', 2000)
    monkeypatch.setattr(windowed_image, 'STRIP_ROWS', 16)
    with open_image(file) as image:
        expected = measure_values(image, value_range)
    with WindowedImage.open(file, value_range=value_range) as image:
        found, part = image.measure(), image.measure(Window(0, 0, 16, 16))
    assert (found.depth, found.levels, found.black_to_white) == (
        expected.depth,
        expected.levels,
        value_range or BITS_8,
    )
    assert found[1:3] + found[5:] == pytest.approx(expected[1:3] + expected[5:])
    assert part.low >= found.low and part != found
