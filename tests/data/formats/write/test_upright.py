"""Annotations of images that EXIF turns, against Pillow's turning of the pixels."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from convnext_dense.data.formats.write.base import LabeledImage, LabeledObject
from convnext_dense.data.formats.write.upright import turn_upright
from convnext_dense.io.image_size import ImageSize
from tests.helpers.drawn_truth import decode
from tests.helpers.labeled import box_of, rle_of

SIZE = ImageSize(20, 30)


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    image = Image.fromarray(pixels)
    image.getexif()[0x0112] = orientation
    return np.asarray(ImageOps.exif_transpose(image))


@pytest.mark.parametrize('orientation', [5, 6, 7, 8])
def test_boxes_masks_and_labels_turn_as_the_image_does(orientation):
    mask = np.zeros(SIZE, np.uint8)
    mask[2:9, 4:23] = 1
    mask[9:14, 4:8] = 1
    x, y, width, height = box_of(mask.astype(bool))
    polygon = [4, 2, 23, 2, 23, 9, 8, 9, 8, 14, 4, 14]
    shapes = [[[float(value) for value in polygon]], rle_of(mask)]
    objects = [LabeledObject(0, [x, y, width, height], shape, 153.0, score=0.5) for shape in shapes]
    turned = turn_upright(LabeledImage('a', 'a', SIZE, objects, mask), orientation)
    expected = upright(mask, orientation)
    assert turned.size == ImageSize.of(expected) == (30, 20)
    assert np.array_equal(turned.labels, expected)
    for one in turned.objects:
        assert one.box == box_of(expected.astype(bool))
        assert np.array_equal(decode(one.segmentation, *turned.size), expected)
        assert (one.area, one.score) == (153.0, 0.5)
