"""Reading the images of dense data sets; most of it is tested with the data sets."""

import numpy as np
from PIL import Image

import convnext_dense.data.dense  # noqa: F401 - registers the step
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
