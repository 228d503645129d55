"""Annotations of images that EXIF turns, against Pillow's turning of the pixels."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from convnext_dense.data.formats.write.base import LabeledImage, LabeledObject
from convnext_dense.data.formats.write.upright import arrange
from convnext_dense.io.image_size import ImageSize
from tests.helpers.drawn_truth import decode
from tests.helpers.labeled import box_of, rle_of

SIZE = ImageSize(20, 30)


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    image = Image.fromarray(pixels)
    image.getexif()[0x0112] = orientation
    return np.asarray(ImageOps.exif_transpose(image))


def labeled(size: ImageSize, orientation: int) -> tuple[LabeledImage, np.ndarray]:
    """An image with an object, whose mask is an L, as polygon and as RLE; and the mask."""
    mask = np.zeros(size, np.uint8)
    mask[2:9, 4:18] = 1
    mask[9:14, 4:8] = 1
    polygon = [4, 2, 18, 2, 18, 9, 8, 9, 8, 14, 4, 14]
    shapes = [[[float(value) for value in polygon]], rle_of(mask)]
    objects = [LabeledObject(0, box_of(mask.astype(bool)), shape, 118.0, score=0.5) for shape in shapes]
    return LabeledImage('a', 'a', size, objects, mask, orientation, is_stored=True), mask


def check(image: LabeledImage, expected: np.ndarray) -> None:
    assert image.size == expected.shape and np.array_equal(image.labels, expected)
    for one in image.objects:
        assert one.box == box_of(expected.astype(bool))
        assert np.array_equal(decode(one.segmentation, *image.size), expected)
        assert (one.area, one.score) == (118.0, 0.5)


@pytest.mark.parametrize('size', [SIZE, ImageSize(20, 20)])
@pytest.mark.parametrize('orientation', range(1, 9))
def test_boxes_masks_and_labels_turn_as_the_image_does_and_back(orientation, size):
    image, mask = labeled(size, orientation)
    turned = arrange(image, as_stored=False)
    check(turned, upright(mask, orientation))
    again = arrange(turned, as_stored=True)
    tells = orientation >= 5 and size == SIZE
    check(again, upright(mask, orientation) if tells else mask)
    check(arrange(image, as_stored=True), upright(mask, orientation) if tells else mask)
    check(arrange(again, as_stored=False), upright(mask, orientation))
