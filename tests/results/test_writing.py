"""The image that results are drawn on, and files that can't be written."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from convnext_dense.errors import UserError
from convnext_dense.io.image_size import ImageSize
from convnext_dense.results import Classification
from tests.results.conftest import HEIGHT, NAMES, WIDTH


def test_results_are_drawn_on_the_image_that_is_handed_over(detection, segmentation):
    white = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    scores = np.eye(6, dtype=np.float32)[1]
    for result in (detection.above(0.4), segmentation, Classification(detection.path, scores, NAMES)):
        assert (result.draw(image=white)[500, 500] == 255).all()
        assert (result.draw()[500, 500] == 128).all()


def test_results_are_drawn_on_the_upright_image(detection, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = tmp_path / 'turned.png'
    Image.new('RGB', (HEIGHT, WIDTH)).save(turned, exif=exif)
    assert dataclasses.replace(detection, path=str(turned)).draw().shape == (HEIGHT, WIDTH, 3)


def test_bad_input_is_named(detection, segmentation, tmp_path):
    said = r'the image is 520 x 600 \(height x width\), the result is for 200 x 300: '
    with pytest.raises(UserError, match=f'^{detection.path}: {said}'):
        dataclasses.replace(detection, size=ImageSize(200, 300)).draw()
    with pytest.raises(UserError, match='has no file'):
        dataclasses.replace(segmentation, path=None).draw()
    for name in ('absent/out.png', 'out.suffix', 'out'):
        with pytest.raises(UserError, match=f'{name} cannot be written'):
            segmentation.draw(tmp_path / name)
