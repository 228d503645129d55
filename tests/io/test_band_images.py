import numpy as np
import pytest

from convnext_dense.errors import UserError
from convnext_dense.io.band_choice import BandInput
from convnext_dense.io.band_images import ShownBands, as_input, check_same_kind, read_input, read_shown, stretch
from convnext_dense.io.images import read_rgb


@pytest.fixture
def six(tmp_path):
    values = np.arange(40 * 50 * 6, dtype=np.uint16).reshape(40, 50, 6)
    np.save(tmp_path / 'six.npy', values)
    return tmp_path / 'six.npy', values


def test_bands_are_read_in_their_order_as_stored(six):
    path, values = six
    read = read_input(path, BandInput((6, 1, 3)))
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, values[..., [5, 0, 2]])


def test_another_kind_is_refused(six):
    path, _ = six
    with pytest.raises(UserError, match='it has 6 bands of uint16, and mean and std are of images with 4 bands of'):
        read_input(path, BandInput((1,), stored=4, dtype='uint16'))
    with pytest.raises(UserError, match='mean and std are of images with 6 bands of float32'):
        read_input(path, BandInput((1,), stored=6, dtype='float32'))
    with pytest.raises(UserError, match='--bands 7: there is no band 7, since it has bands 1 to 6'):
        read_input(path, BandInput((7,)))
    check_same_kind(
        BandInput((1,), stored=6, dtype='float32'), 6, np.dtype('float64')
    )  # floats of all sizes are alike


def test_nan_and_no_data_become_the_fill():
    values = np.array([[[1.0, np.nan], [np.inf, 4.0]]])
    np.testing.assert_array_equal(as_input(values, [7, 8]), np.float32([[[1, 8], [7, 4]]]))
    integers = np.array([[[0, 5], [3, 0]]], np.int16)
    np.testing.assert_array_equal(as_input(integers, [7, 8], nodata=0), np.float32([[[7, 5], [3, 8]]]))
    np.testing.assert_array_equal(as_input(integers, [7, 8]), np.float32(integers))
    too_large = np.array([[[1e300]]])
    np.testing.assert_array_equal(as_input(too_large, [7]), [[[7]]])


def test_each_band_is_stretched_between_its_percentiles():
    rng = np.random.default_rng(0)
    values = np.stack([rng.normal(1000, 50, (60, 60)), rng.normal(-3, 0.1, (60, 60))], axis=-1)
    values[0, 0] = 1e9, 1e9
    values[0, 1] = np.nan
    levels = stretch(values)
    for band in range(2):
        finite = values[..., band][np.isfinite(values[..., band])]
        low, high = np.percentile(finite, [2, 98])
        expected = np.clip(np.round((values[..., band] - low) / (high - low) * 255), 0, 255)
        expected[0, 1] = 0
        np.testing.assert_array_equal(levels[..., band], expected)


def test_a_few_spots_on_one_value_are_seen():
    values = np.zeros((20, 20, 1))
    values[3, 4] = 5
    assert stretch(values)[3, 4, 0] == 255
    assert stretch(values).sum() == 255
    assert not stretch(np.full((4, 4, 1), np.nan)).any()


def test_shown_bands_are_read_wherever_an_image_is(six):
    path, values = six
    np.testing.assert_array_equal(read_rgb(path, value_range=ShownBands((5, 1, 2))), stretch(values[..., [4, 0, 1]]))
    with pytest.raises(UserError, match=f'^bad image {path} .--display-bands 7,1,2: there is no band 7'):
        read_shown(path, ShownBands((7, 1, 2)))


@pytest.mark.parametrize('nodata', [0, -9999])
def test_the_value_for_no_data_of_a_geotiff_becomes_the_fill(tmp_path, nodata):
    tifffile = pytest.importorskip('tifffile')
    values = np.arange(1, 1 + 20 * 24 * 4).reshape(20, 24, 4).astype(np.int16)
    values[3, 4, :2] = nodata
    named = [(42113, 's', 0, str(nodata), True)]
    tifffile.imwrite(tmp_path / 'a.tif', values, photometric='minisblack', planarconfig='contig', extratags=named)
    read = read_input(tmp_path / 'a.tif', BandInput((2, 4)), [7, 8])
    expected = values[..., [1, 3]].astype(np.float32)
    expected[3, 4] = 7, values[3, 4, 3]
    np.testing.assert_array_equal(read, expected)
    tifffile.imwrite(tmp_path / 'b.tif', values, photometric='minisblack', planarconfig='contig')
    np.testing.assert_array_equal(read_input(tmp_path / 'b.tif', BandInput((2, 4)), [7, 8]), values[..., [1, 3]])
