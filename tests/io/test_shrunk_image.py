"""Images and label maps shrunk to be looked at: means and middles of squares of pixels, read by windows."""

import tracemalloc

import numpy as np
import pytest
import tifffile
from PIL import Image

from convnext_dense.errors import UserError
from convnext_dense.io import shrunk_image
from convnext_dense.io.band_images import ShownBands, stretch
from convnext_dense.io.image_size import ImageSize
from convnext_dense.io.shrunk_image import read_shrunk, shrink, shrink_factor, shrink_labels, shrunk_size
from convnext_dense.io.value_range import ValueRange

SIZE = ImageSize(67, 94)


@pytest.fixture(autouse=True)
def small_windows(monkeypatch):
    monkeypatch.setattr(shrunk_image, 'READ_SIDE', 20)


def noise(*shape, dtype=np.uint8, most=256):
    return np.random.default_rng(0).integers(0, most, shape, dtype)


def means(values, factor):
    """By the definition; the last squares repeat the last row and column."""
    height, width = values.shape[:2]
    rows, columns = (np.minimum(np.arange(-(-n // factor) * factor), n - 1) for n in (height, width))
    padded = values[rows[:, None], columns].astype(float)
    return padded.reshape(len(rows) // factor, factor, len(columns) // factor, factor, -1).mean(axis=(1, 3))


def test_the_factor_is_the_smallest_that_fits():
    assert [shrink_factor(ImageSize(100, side), 50) for side in (40, 100, 101, 150)] == [2, 2, 3, 3]
    assert shrink_factor(ImageSize(9, 9), None) == shrink_factor(ImageSize(9, 9), 9) == 1
    assert shrunk_size(SIZE, 4) == (17, 24)


@pytest.mark.parametrize('factor', [1, 2, 3, 7, 30])
@pytest.mark.parametrize('bands', [3, 5])
def test_pixels_are_means(factor, bands):
    values = noise(*SIZE, bands)
    found = shrink(lambda window: values[window.slices], SIZE, factor)
    assert found.dtype == np.uint8 and np.abs(found - means(values, factor)).max() <= 0.51
    floats = values.astype(np.float32)
    np.testing.assert_allclose(
        shrink(lambda window: floats[window.slices], SIZE, factor), means(values, factor), rtol=1e-5
    )


@pytest.mark.parametrize('factor', [1, 2, 5, 30])
def test_labels_are_those_in_the_middle(factor):
    labels = noise(*SIZE, most=9)
    found = shrink_labels(lambda window: labels[window.slices], SIZE, factor)
    assert found.shape == shrunk_size(SIZE, factor)
    for y, x in np.ndindex(found.shape):
        middle = min(y * factor + factor // 2, SIZE.height - 1), min(x * factor + factor // 2, SIZE.width - 1)
        assert found[y, x] == labels[middle]


def test_files_of_all_kinds(tmp_path):
    values = noise(*SIZE, 3)
    tifffile.imwrite(tmp_path / 'a.tif', values, tile=(16, 16), photometric='rgb')
    Image.fromarray(values).save(tmp_path / 'a.png')
    for name in ('a.tif', 'a.png'):
        found, size = read_shrunk(tmp_path / name, 3)
        assert size == SIZE and np.abs(found - means(values, 3)).max() <= 0.51
    deep = noise(*SIZE, dtype=np.uint16, most=4096)
    tifffile.imwrite(tmp_path / 'deep.tif', deep)
    found, _ = read_shrunk(tmp_path / 'deep.tif', 3, ValueRange(0, 4095))
    assert np.abs(found[..., 0] - means(deep, 3)[..., 0] * (255 / 4095)).max() <= 1
    (tmp_path / 'a.tif').write_bytes((tmp_path / 'a.tif').read_bytes()[:3000])
    with pytest.raises(UserError, match=r'^bad image .*a.tif'):
        read_shrunk(tmp_path / 'a.tif', 3)


def test_shown_bands_are_stretched_and_leave_out_what_has_no_data(tmp_path):
    values = noise(*SIZE, 6, dtype=np.uint16, most=3000).astype(np.float32)
    values[:9, :9] = np.nan
    values[12:14, 12] = np.nan
    tifffile.imwrite(tmp_path / 'bands.tif', values, planarconfig='contig')
    found, size = read_shrunk(tmp_path / 'bands.tif', 3, ShownBands((6, 1, 2)))
    shown = values[..., [5, 0, 1]]
    rows, columns = (np.minimum(np.arange(-(-n // 3) * 3), n - 1) for n in SIZE)
    squares = shown[rows[:, None], columns].reshape(23, 3, 32, 3, 3)
    with np.testing.suppress_warnings() as quiet:
        quiet.filter(RuntimeWarning)
        expected = stretch(np.nanmean(squares, axis=(1, 3)))
    assert size == SIZE and np.abs(found.astype(int) - expected).max() <= 1
    assert not found[:3, :3].any()
    with pytest.raises(UserError, match=r'^bad image .*bands.tif \(.*--display-bands'):
        read_shrunk(tmp_path / 'bands.tif', 3, ShownBands((7, 1, 2)))


def test_memory_does_not_grow_with_the_image(tmp_path, monkeypatch):
    monkeypatch.setattr(shrunk_image, 'READ_SIDE', 256)
    peaks = []
    for height in (1000, 4000):
        path = tmp_path / f'{height}.tif'
        tifffile.imwrite(path, np.broadcast_to(np.uint8(7), (height, 1000, 3)), tile=(128, 128), compression='zlib')
        monkeypatch.setattr('convnext_dense.io.rasters.tiff.KEPT_BYTES', 1 << 20)
        tracemalloc.start()
        found, _ = read_shrunk(path, 50)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert (found == 7).all()
    assert peaks[1] < 1.3 * peaks[0] and peaks[1] < 6_000_000
