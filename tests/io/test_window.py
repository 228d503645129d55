"""Rectangles of whole pixels."""

import numpy as np
import pytest

from convnext_dense.io.image_size import ImageSize
from convnext_dense.io.window import Window, central_window, tile_size


def test_a_window_takes_its_pixels_of_an_array():
    image = np.arange(6 * 8).reshape(6, 8)
    window = Window(1, 2, 3, 4)
    assert image[window.slices].tolist() == [[10, 11, 12, 13], [18, 19, 20, 21], [26, 27, 28, 29]]
    assert (window.bottom, window.right, window.size) == (4, 6, ImageSize(3, 4))
    assert image[Window.whole(ImageSize(6, 8)).slices].shape == (6, 8)


@pytest.mark.parametrize('other', [Window(2, 3, 5, 2), Window(0, 0, 9, 9), Window(4, 0, 2, 8), Window(1, 6, 3, 1)])
def test_the_intersection_has_the_pixels_of_both(other):
    window, marks = Window(1, 2, 3, 4), np.zeros((10, 10), int)
    marks[window.slices] += 1
    marks[other.slices] += 1
    found = np.zeros((10, 10), bool)
    found[window.intersection(other).slices] = True
    assert (found == (marks == 2)).all()


def test_the_middle_of_an_image():
    assert central_window(ImageSize(100, 31), ImageSize(40, 60)) == Window(30, 0, 40, 31)


def test_the_size_of_tiles():
    assert tile_size(ImageSize(100, 3000), ImageSize(640, 640)) == ImageSize(100, 640)
    assert tile_size(ImageSize(100, 3000), None) == ImageSize(100, 3000)
