import pytest

from convnext_dense.data.seen_sizes import UNKNOWN, SeenSizes
from convnext_dense.io.image_size import ImageSize


def test_an_image_fits_into_a_size_in_either_orientation():
    seen = SeenSizes(((800, 1333),))
    assert seen.factor(ImageSize(1600, 1600)) == 0.5
    assert seen.factor(ImageSize(1000, 4000)) == seen.factor(ImageSize(4000, 1000)) == 1333 / 4000
    assert SeenSizes(((400, 800), (800, 800))).factor(ImageSize(400, 800)) == 1.0
    assert SeenSizes(((400, 800), (800, 1600))).factor(ImageSize(400, 800)) == 1.5  # the mean of 1 and 2


def test_a_tile_is_no_larger_than_its_image():
    seen = SeenSizes(((640, 640),), ImageSize(320, 640))
    assert seen.cut(ImageSize(3000, 500)) == (320, 500)
    assert seen.factor(ImageSize(3000, 3000)) == 1.0
    assert seen.factor(ImageSize(160, 160)) == 4.0


def test_the_usual_side_in_the_network():
    assert SeenSizes(((480, 1333), (800, 1333))).side == 640
    assert SeenSizes(((1024, 2048),), crop=512).side == 512
    assert (UNKNOWN.side, UNKNOWN.factor(ImageSize(9, 9))) == (0, None)


def test_an_image_without_pixels_divides_by_nothing():
    assert SeenSizes(((64, 64),)).factor(ImageSize(0, 0)) == pytest.approx(64)
