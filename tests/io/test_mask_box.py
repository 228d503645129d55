"""The box around a mask."""

import numpy as np

from convnext_dense.io.mask_box import box_around


def test_the_box_ends_after_the_last_pixels():
    mask = np.zeros((7, 9), bool)
    mask[2, 5] = mask[4, 3] = True
    assert box_around(mask) == (3, 2, 6, 5)
    mask[6, 8] = True
    assert box_around(mask) == (3, 2, 9, 7)


def test_a_mask_without_pixels_has_an_empty_box():
    assert box_around(np.zeros((3, 4), np.uint8)) == (0, 0, 0, 0)
