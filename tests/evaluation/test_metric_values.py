"""Values of metrics of any type."""

import json
import math

import numpy as np
import pytest
import torch

from convnext_dense.evaluation.metric_values import plain_numbers


@pytest.mark.parametrize(
    ('value', 'number'),
    [
        (3, 3),
        (True, 1),
        (0.5, 0.5),
        (np.float32(0.5), 0.5),
        (np.float16(0.5), 0.5),
        (np.int64(7), 7),
        (np.bool_(True), 1),
        (np.array(0.25), 0.25),
        (np.array([0.25]), 0.25),
        (np.array([[3]]), 3),
        (torch.tensor(0.25), 0.25),
        (torch.tensor([2], dtype=torch.int32), 2),
        (torch.tensor(0.5, dtype=torch.bfloat16, requires_grad=True), 0.5),
        (np.float32('inf'), math.inf),
    ],
)
def test_single_numbers_are_kept_as_pythons(value, number):
    found, others = plain_numbers({'m': value})
    assert found == {'m': number}
    assert type(found['m']) in (int, float)
    assert not others
    json.dumps(found)


def test_nan_is_a_number():
    for value in (float('nan'), np.float32('nan'), torch.tensor(float('nan')), np.array([np.nan])):
        found, others = plain_numbers({'m': value})
        assert math.isnan(found['m'])
        assert not others


@pytest.mark.parametrize(
    ('value', 'described'),
    [
        (None, 'None'),
        ('good', 'a str'),
        (b'x', 'a bytes'),
        (1j, 'a complex'),
        (np.complex64(1), 'an array of ()'),
        (np.array('text'), 'an array of ()'),
        (np.zeros(3), 'an array of (3,)'),
        (np.zeros((0,)), 'an array of (0,)'),
        (torch.zeros(2, 2), 'an array of (2, 2)'),
        ([1.0], 'a list'),
        ({'a': 1}, 'a dict'),
        (object, 'a type'),
    ],
)
def test_all_else_is_described(value, described):
    assert plain_numbers({'a': 1, 'm': value}) == ({'a': 1}, {'m': described})
