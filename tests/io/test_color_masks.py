"""Colors of mask files."""

import numpy as np
import pytest
from PIL import Image

from convnext_dense.errors import UserError
from convnext_dense.io.color_masks import BadLabels, read_colors


@pytest.fixture
def colors():
    return np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)


@pytest.mark.parametrize('mode', ['RGB', 'RGBA', 'P', 'L'])
def test_colors_of_any_mode_are_packed_red_first(tmp_path, colors, mode):
    image = Image.fromarray(colors)
    image = image.quantize(64) if mode == 'P' else image.convert(mode)
    image.save(tmp_path / 'a.png')
    rgb = np.asarray(image.convert('RGB')).astype(int)
    found = read_colors(str(tmp_path / 'a.png'))
    np.testing.assert_array_equal(found, rgb[..., 0] * 65536 + rgb[..., 1] * 256 + rgb[..., 2])
    assert found.dtype == np.int32


def test_masks_without_exact_colors_are_refused(tmp_path, colors):
    Image.fromarray(colors).save(tmp_path / 'a.jpg')
    with pytest.raises(BadLabels, match=r'bad mask .*a.jpg \(compressed with loss: JPEG\)$'):
        read_colors(str(tmp_path / 'a.jpg'))
    Image.fromarray(colors[..., 0].astype(np.uint16)).save(tmp_path / 'b.png')
    with pytest.raises(BadLabels, match=r'bad mask .*b.png \(with numbers rather than colors: I;16\)$'):
        read_colors(str(tmp_path / 'b.png'))
    (tmp_path / 'c.png').write_bytes(b'PNG')
    with pytest.raises(
        UserError, match=r'bad mask .*c.png \(not an image\): restore it, or remove it with its image$'
    ):
        read_colors(str(tmp_path / 'c.png'))
