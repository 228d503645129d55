"""Images beyond Pillow's modes, for the code that takes Pillow's images."""

import numpy as np
import pytest
import tifffile

from convnext_dense.data.image_scan import read_header, scan_image
from convnext_dense.data.segmentation.mask_files import is_single_channel, read_mask
from convnext_dense.errors import UserError
from convnext_dense.io.color_masks import BadLabels, read_colors
from convnext_dense.io.images import measure_values, open_image, read_rgb
from convnext_dense.io.value_range import ValueRange

DRAWN = np.random.default_rng(0).integers(0, 256, (32, 48, 3))


@pytest.mark.parametrize('kind', ['u1', 'u2', 'i4', 'f4', '>f8'])
@pytest.mark.parametrize('suffix', ['npy', 'tif'])
@pytest.mark.parametrize('bands', [1, 3])
def test_levels_of_all_types(kind, suffix, bands, tmp_path):
    factor = {'u1': 1, 'u2': 257, 'i4': 1}.get(kind, 1 / 255)
    values = (DRAWN[..., :bands] * factor).astype(kind).squeeze()
    file = tmp_path / f'a.{suffix}'
    photometric = 'rgb' if bands == 3 else 'minisblack'
    np.save(file, values) if suffix == 'npy' else tifffile.imwrite(file, values, photometric=photometric)
    expected = np.broadcast_to(DRAWN[..., :bands], DRAWN.shape)
    assert np.abs(read_rgb(file).astype(int) - expected).max() == 0
    high = float(values.max()) / 2
    scaled = (values.astype(float) * (255 / high)).round().clip(0, 255)
    assert np.abs(read_rgb(file, value_range=ValueRange(0, high)) - scaled.reshape(32, 48, -1)).max() <= 1
    with open_image(file) as image:
        measured = measure_values(image)
    assert (measured.low, measured.high) == pytest.approx((values.min(), values.max()))
    assert measured.levels == (expected.min(), expected.max())
    assert read_header(str(file)).size == (32, 48)


def test_other_numbers_of_bands_need_a_choice(tmp_path):
    np.save(tmp_path / 'a.npy', np.zeros((32, 48, 6), np.uint8))
    line = r'bad image .*a.npy \(it has 6 bands: choose those to take with --bands'
    with pytest.raises(UserError, match=line):
        read_rgb(tmp_path / 'a.npy')
    scan = scan_image((str(tmp_path / 'a.npy'), None))
    assert scan.fault.startswith('it has 6 bands: choose')
    header = read_header(str(tmp_path / 'a.npy'))
    assert (header.size, header.format) == ((32, 48), 'NPY')


def test_ambiguous_values_are_refused_as_those_of_pillow(tmp_path):
    np.save(tmp_path / 'a.npy', np.full((32, 48), 4000.0))
    with pytest.raises(UserError, match=r'floats of 4000 to 4000: .* such as --value-range'):
        read_rgb(tmp_path / 'a.npy')
    assert scan_image((str(tmp_path / 'a.npy'), None)).is_ambiguous


@pytest.mark.parametrize('kind', ['u1', 'i8', '?'])
def test_masks(kind, tmp_path):
    labels = (DRAWN[..., 0] % 2).astype(kind)
    np.save(tmp_path / 'a.npy', labels)
    assert np.array_equal(read_mask(str(tmp_path / 'a.npy')), labels)
    assert is_single_channel(str(tmp_path / 'a.npy'))
    np.save(tmp_path / 'b.npy', DRAWN.astype(np.uint8))
    colors = read_colors(str(tmp_path / 'b.npy'))
    assert np.array_equal(colors, DRAWN @ [65536, 256, 1])
    if kind == 'i8':
        with pytest.raises((UserError, BadLabels), match='it has numbers of int64 rather than colors'):
            read_colors(str(tmp_path / 'a.npy'))


def test_masks_in_tiffs_that_pillow_does_not_read(tmp_path):
    labels = (DRAWN[..., 0] % 7).astype(np.uint64)
    tifffile.imwrite(tmp_path / 'a.tif', labels)
    assert np.array_equal(read_mask(str(tmp_path / 'a.tif')), labels)
