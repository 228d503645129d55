import json

import numpy as np
import pytest

from convnext_dense.errors import UserError
from convnext_dense.io.image_stats import BandSums, ImageStats, read_stats, write_stats


def measured(images, nodata=None):
    return ImageStats.of([BandSums.of(image, nodata) for image in images], images[0].dtype.name)


@pytest.mark.parametrize('dtype', ['uint8', 'uint16', 'int32', 'float32'])
def test_statistics_of_images_of_several_sizes_are_those_of_all_pixels(dtype):
    rng = np.random.default_rng(0)
    images = [(rng.normal(90, 20, (h, w, 3)).clip(0, 255)).astype(dtype) for h, w in ((40, 30), (8, 50), (33, 33))]
    pixels = np.concatenate([image.reshape(-1, 3) for image in images]).astype(np.float64)
    stats = measured(images)
    np.testing.assert_allclose(stats.mean, pixels.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(stats.std, pixels.std(axis=0), rtol=1e-12)
    assert stats.minimum == tuple(pixels.min(axis=0))
    assert stats.maximum == tuple(pixels.max(axis=0))
    assert stats.values == (len(pixels),) * 3
    assert (stats.images, stats.bands, stats.dtype) == (3, 3, dtype)


def test_a_small_spread_around_a_large_value_keeps_its_digits():
    """Sums of squares in float64 would lose all of them."""
    images = [np.int64(10**9) + np.arange(4).reshape(2, 2, 1), np.int64(10**9) + np.arange(4, 8).reshape(2, 2, 1)]
    assert measured(images).std[0] == pytest.approx(np.arange(8).std(), rel=1e-6)


def test_nan_infinity_and_no_data_are_left_out_and_counted():
    image = np.array([[[1.0, np.nan], [3.0, -9.0]], [[np.inf, 5.0], [5.0, 7.0]]])
    stats = measured([image], nodata=-9)
    assert stats.mean == (3, 6)
    assert stats.left_out == (1, 2)
    assert stats.minimum == (1, 5)
    empty = measured([np.full((2, 2, 1), np.nan), np.ones((2, 2, 1))])
    assert (empty.mean, empty.minimum, empty.left_out) == ((1,), (1,), (4,))


def test_a_file_is_read_as_it_was_written(tmp_path):
    stats = measured([np.random.default_rng(1).integers(0, 999, (9, 9, 4), np.uint16)])
    write_stats(stats, tmp_path / 'image_stats.json', 'check_data ...')
    assert read_stats(tmp_path / 'image_stats.json') == stats
    assert json.loads((tmp_path / 'image_stats.json').read_text())['command'] == 'check_data ...'
    assert stats.chosen((3, 1)) == [(stats.mean[2], stats.std[2]), (stats.mean[0], stats.std[0])]


@pytest.mark.parametrize(
    'content',
    ['', '[]', '{}', '{"images": 1, "dtype": "uint8", "bands": []}', '{"images": 1, "dtype": "blue", "bands": [1]}'],
)
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / 'other.json').write_text(content)
    with pytest.raises(UserError, match=r'other.json holds no statistics of bands as check_data writes them'):
        read_stats(tmp_path / 'other.json')


def test_a_nan_is_refused(tmp_path):
    stats = measured([np.ones((2, 2, 1))])
    write_stats(stats._replace(mean=(float('nan'),)), tmp_path / 's.json')
    with pytest.raises(UserError, match=r'holds no statistics'):
        read_stats(tmp_path / 's.json')
    with pytest.raises(UserError, match=r'none.json cannot be read'):
        read_stats(tmp_path / 'none.json')


def test_a_folder_that_cannot_be_written_names_the_flag(tmp_path):
    with pytest.raises(
        UserError, match=r'cannot be written .*name another place for the statistics with --image-stats'
    ):
        write_stats(measured([np.ones((2, 2, 1))]), tmp_path / 'none' / 'deeper' / 's.json')
