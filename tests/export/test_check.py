"""The comparison of an exported file with PyTorch."""

import numpy as np

from convnext_dense.export.check import _instances


def test_instances_are_matched_whatever_their_order():
    boxes = np.array([[0, 0, 10, 10], [50, 0, 60, 10], [0, 0, 10, 10.0]], np.float32)
    arrays = [boxes, np.array([0.9, 0.8, 0.7], np.float32), np.array([0, 0, 1]), np.zeros((3, 2, 2), np.float32)]
    names = ['boxes', 'scores', 'labels', 'masks']

    def verdicts(found):
        return [good for _, _, good in _instances(names, found, arrays)]

    assert verdicts([array[[2, 0, 1]] for array in arrays]) == [True] * 4
    assert verdicts([array[:2] for array in arrays]) == [False, True, True, True]
    assert verdicts([*arrays[:2], np.array([0, 0, 2]), arrays[3]]) == [False, True, True, True]
    assert verdicts([boxes + 0.1, *arrays[1:]]) == [True, False, True, True]
    assert verdicts([array[:0] for array in arrays])[0] is False
