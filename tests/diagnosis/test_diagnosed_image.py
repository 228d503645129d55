import numpy as np
import pytest

from convnext_dense.diagnosis.confusion import Confusion
from convnext_dense.diagnosis.diagnosed_image import LabelMaps, PackedMaps, map_value
from convnext_dense.diagnosis.records import PanopticImage, SegmentedImage

PIXELS = Confusion.count(3, np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]))


def test_the_value_of_a_label_map_is_its_mean_iou():
    assert map_value(SegmentedImage('a', PIXELS)) == pytest.approx(100 * (2 / 3 + 1 / 2) / 2)
    assert np.isnan(map_value(SegmentedImage('a', Confusion.sum(3, ()))))


def test_the_value_of_segments_is_their_mean_pq():
    tallies = {0: (0.9, 1, 0, 0), 2: (0.8, 1, 2, 0), 1: (0.0, 0, 0, 0)}
    assert map_value(PanopticImage('a', PIXELS, None, tallies)) == pytest.approx(100 * (0.9 + 0.8 / 2) / 2)
    assert np.isnan(map_value(PanopticImage('a', PIXELS)))


@pytest.mark.parametrize('kind', [np.uint8, np.uint16])
def test_maps_are_compressed_and_unpacked_as_they_were(kind):
    truth = np.zeros((360, 480), kind)
    truth[100:200, 50:300] = np.iinfo(kind).max
    predicted = truth.T.copy()
    packed = PackedMaps.of(LabelMaps(predicted, truth, [], None))
    assert sum(len(data) for data, *_ in packed.pixels.values()) < 10_000
    maps = packed.unpacked()
    assert np.array_equal(maps.truth, truth) and np.array_equal(maps.predicted, predicted)
    assert maps.truth.dtype == kind and maps.predicted_objects == [] and maps.true_objects is None
    assert PackedMaps.of(LabelMaps(predicted, None)).unpacked().truth is None
