"""A mask that is cut to a window is the cut of the mask that is drawn in the whole image."""

import cv2
import numpy as np
import pytest
from pycocotools import mask as rle

from convnext_dense.data.detection.mask_crops import crop_mask, crop_polygons
from convnext_dense.io.image_size import ImageSize
from convnext_dense.io.window import Window
from tests.helpers.coco_files import runs

SIZE = ImageSize(60, 90)
WINDOWS = [
    Window(0, 0, *SIZE),
    Window(10, 20, 32, 40),
    Window(0, 50, 32, 40),
    Window(28, 0, 32, 5),
    Window(30, 31, 1, 1),
]


def drawn(polygons):
    return rle.decode(rle.merge(rle.frPyObjects(polygons, *SIZE)))


def decode(mask, window):
    if mask is None:
        return np.zeros(window.size, np.uint8)
    assert mask['size'] == list(window.size) and min(mask['counts'][1:], default=1) > 0
    return rle.decode(rle.frPyObjects(mask, *window.size))


def polygons(seed):
    rng = np.random.default_rng(seed)
    centers = rng.random((2, 1, 2)) * SIZE[::-1]
    angles = np.sort(rng.random((2, 7)) * 2 * np.pi)
    radii = rng.random((2, 7, 1)) * 50
    points = centers + radii * np.stack([np.cos(angles), np.sin(angles)], axis=2)
    return [one.ravel().tolist() for one in points]  # partly outside of the image, with fractions


@pytest.mark.parametrize('seed', range(8))
def test_polygons_and_runs_are_cut_to_the_pixel(seed):
    shapes = polygons(seed)
    mask = drawn(shapes)
    compressed = rle.encode(np.asfortranarray(mask))
    as_text = {'size': compressed['size'], 'counts': compressed['counts'].decode()}
    listed = {'size': list(SIZE), 'counts': runs(mask)}
    for window in WINDOWS:
        expected = mask[window.slices]
        for form in (shapes, compressed, as_text, listed):
            cut = crop_mask(form, window, SIZE)
            np.testing.assert_array_equal(decode(cut, window), expected)
            assert (cut is None) == (not expected.any())


def test_runs_over_several_columns_and_full_windows():
    full = {'size': list(SIZE), 'counts': [0, SIZE.height * SIZE.width]}
    for window in WINDOWS:
        assert crop_mask(full, window, SIZE)['counts'] == [0, window.height * window.width]
    empty = {'size': list(SIZE), 'counts': [SIZE.height * SIZE.width]}
    assert crop_mask(empty, WINDOWS[1], SIZE) is None


def test_large_images_are_not_drawn():
    size = ImageSize(200_000, 200_000)
    corner = [[150_000.0, 150_000.0, 150_010.0, 150_000.0, 150_010.0, 150_020.0, 150_000.0, 150_020.0]]
    cut = crop_mask(corner, Window(150_005, 149_990, 64, 64), size)
    assert sum(cut['counts'][1::2]) == 10 * 15


@pytest.mark.parametrize('seed', range(5))
def test_polygons_that_stay_polygons_cover_the_same_area(seed):
    """The reference draws both, sixteen times as large."""
    shapes, scale = polygons(seed), 16

    def draw(some, size):
        canvas = np.zeros((size[0] * scale, size[1] * scale), np.uint8)
        for one in some:
            points = np.round(np.reshape(one, (-1, 1, 2)) * scale).astype(np.int32)
            cv2.drawContours(canvas, [points], 0, 1, cv2.FILLED)
        return canvas

    for window in WINDOWS[:4]:
        cut = crop_polygons(shapes, window)
        moved = [(np.reshape(one, (-1, 2)) - [window.left, window.top]).ravel() for one in shapes]
        assert (draw(cut, window.size) != draw(moved, window.size)).mean() < 0.005
        for one in cut:
            points = np.reshape(one, (-1, 2))
            assert len(points) > 2 and points.min() >= 0 and (points <= [window.width, window.height]).all()
    assert crop_polygons([[0, 0, 20, 0, 20, 5, 0, 5]], Window(10, 20, 32, 40)) == []
