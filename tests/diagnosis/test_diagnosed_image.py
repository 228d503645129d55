import numpy as np
import pytest

from convnext_dense.diagnosis.confusion import Confusion
from convnext_dense.diagnosis.diagnosed_image import map_value
from convnext_dense.diagnosis.records import PanopticImage, SegmentedImage

PIXELS = Confusion.count(3, np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]))


def test_the_value_of_a_label_map_is_its_mean_iou():
    assert map_value(SegmentedImage('a', PIXELS)) == pytest.approx(100 * (2 / 3 + 1 / 2) / 2)
    assert np.isnan(map_value(SegmentedImage('a', Confusion.sum(3, ()))))


def test_the_value_of_segments_is_their_mean_pq():
    tallies = {0: (0.9, 1, 0, 0), 2: (0.8, 1, 2, 0), 1: (0.0, 0, 0, 0)}
    assert map_value(PanopticImage('a', PIXELS, None, tallies)) == pytest.approx(100 * (0.9 + 0.8 / 2) / 2)
    assert np.isnan(map_value(PanopticImage('a', PIXELS)))
