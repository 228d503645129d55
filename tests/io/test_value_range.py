"""Which values are black and white: the rule, its refusals, and the scaling."""

import numpy as np
import pytest

from convnext_dense.errors import UserError
from convnext_dense.io.value_range import (
    AmbiguousValues,
    ValueRange,
    as_value_range,
    find_value_range,
    likely_range,
    to_levels,
)


@pytest.mark.parametrize(
    ('values', 'expected'),
    [
        (np.array([[3, 4000]], np.uint16), (0, 65535)),
        (np.array([[0, 255]], np.int32), (0, 255)),
        (np.array([[0.0, 1.0]], np.float32), (0, 1)),
        (np.array([[0.0, 0.001]], np.float32), (0, 1)),
        (np.array([[0.0, 254.5]], np.float32), (0, 255)),
        (np.zeros((0, 0), np.float32), (0, 255)),
    ],
)
def test_a_range_that_the_values_tell(values, expected):
    assert find_value_range(values) == expected


@pytest.mark.parametrize(
    ('values', 'said'),
    [
        (np.array([[0, 4095]], np.int32), 'integers of 0 to 4095: .* such as --value-range 0 4095$'),
        (np.array([[0, 300]], np.int32), 'integers of 0 to 300: .* --value-range 0 511$'),
        (np.array([[-5, 200]], np.int32), 'integers of -5 to 200: .* --value-range -5 200$'),
        (np.array([[-1, 1]], np.float32), 'floats of -1 to 1: .* --value-range -1 1$'),
        (np.array([[0, 1.02]], np.float32), 'floats of 0 to 1.02: '),
        (np.array([[0, 812.5]], np.float32), 'floats of 0 to 812.5: .* --value-range 0 813$'),
        (np.array([[0, np.nan, 0.5]], np.float32), 'floats of 0 to 0.5, and NaN or infinity: .* --value-range 0 0.5$'),
        (np.array([[0, np.inf, 0.5]], np.float32), 'floats of 0 to 0.5, and NaN or infinity: '),
        (np.array([[np.nan]], np.float32), 'floats of only NaN or infinity: '),
    ],
)
def test_an_ambiguous_range_is_refused_with_one_that_fits(values, said):
    with pytest.raises(AmbiguousValues, match=said):
        find_value_range(values)


def test_levels():
    twelve = np.arange(4096, dtype=np.uint16)
    expected = np.round(twelve / 4095 * 255)
    for values in (twelve, twelve.astype(np.int32), twelve.astype(np.float32)):
        assert np.array_equal(to_levels(values, ValueRange(0, 4095)), expected)
    values = np.array([-np.inf, -2000, -1000, -300, 400, 1e30, np.inf, np.nan], np.float32)
    assert to_levels(values, ValueRange(-1000, 400)).tolist() == [0, 0, 0, 128, 255, 255, 255, 0]
    assert to_levels(np.array([0, 1], np.uint8), ValueRange(0, 1)).tolist() == [0, 255]
    full = np.arange(65536, dtype=np.uint16)
    assert np.array_equal(to_levels(full, ValueRange(0, 65535)), np.round(full / 257))


@pytest.mark.parametrize('setting', [(1, 1), (5, 0), (0, float('inf')), (0, float('nan')), (1,), 'ab', 3])
def test_a_setting_that_is_no_range_is_refused(setting):
    with pytest.raises(UserError, match=r'value_range .*two numbers|value range .*larger'):
        as_value_range(setting)


def test_settings_and_guesses():
    assert as_value_range(None) is None
    assert as_value_range([0, 4095]) == (0.0, 4095.0)
    assert likely_range((0, 900), int) == (0, 1023)
    assert likely_range((-3.5, 2), float) == (-3.5, 2)
    assert likely_range((7, 7), float) == (7, 8)
