"""Reading the images of dense data sets; most of it is tested with the data sets."""

import numpy as np
import pytest
from PIL import Image

from convnext_dense.data import dense  # noqa: F401 - registers the transform
from convnext_dense.errors import BadImage
from convnext_dense.registry import TRANSFORMS


def test_images_are_floats_where_later_steps_are_not_to_round(tmp_path):
    levels = np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8)
    Image.fromarray(levels).save(tmp_path / 'image.png')
    loaded = [
        TRANSFORMS.build(dict(type='convnext_dense.LoadImage', **more))(dict(img_path=str(tmp_path / 'image.png')))
        for more in ({}, dict(to_float32=True))
    ]
    assert [one['img'].dtype for one in loaded] == [np.uint8, np.float32]
    for one in loaded:
        assert np.array_equal(one['img'], levels[..., ::-1])


@pytest.mark.parametrize('suffix', ['npy', 'tif'])
def test_page_and_limit_are_of_the_step_and_arrays_are_images(suffix, tmp_path):
    levels, file = np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8), tmp_path / f'image.{suffix}'
    if suffix == 'npy':
        np.save(file, levels.astype(np.float64) / 255)
    else:
        frames = [Image.fromarray(levels[::-1]), Image.fromarray(levels)]
        frames[0].save(file, save_all=True, append_images=frames[1:])
    page = None if suffix == 'npy' else 2

    def load(**settings):
        step = TRANSFORMS.build(dict(type='convnext_dense.LoadImage', page=page, **settings))
        return step(dict(img_path=str(file), height=4, width=5))['img']

    assert np.array_equal(load(max_pixels=20), levels[..., ::-1])
    with pytest.raises(BadImage, match=r'it has 20 pixels \(4 x 5\), more than 19: .* --max-pixels 20'):
        load(max_pixels=19)
