"""Numbers, integers and flags in other JSON types."""

import math

import pytest

from convnext_dense.data.formats.values import read_flag, read_integer, read_number, read_size


@pytest.mark.parametrize(
    ('value', 'number', 'integer', 'flag'),
    [
        (1, 1, 1, 1),
        (0.0, 0, 0, 0),
        (96.0, 96, 96, None),
        ('96', 96, 96, None),
        (' 96.0 ', 96, 96, None),
        ('-3', -3, -3, None),
        (0.5, 0.5, None, None),
        ('1e3', 1000, 1000, None),
        (True, None, None, 1),
        (False, None, None, 0),
        ('true', None, None, 1),
        (' FALSE', None, None, 0),
        ('1', 1, 1, 1),
        (2**70, 2**70, 2**70, None),
        (str(2**70 + 1), float(2**70), 2**70 + 1, None),
        (10**400, None, 10**400, None),
        (math.nan, None, None, None),
        (-math.inf, None, None, None),
        ('nan', None, None, None),
        ('inf', None, None, None),
        ('', None, None, None),
        ('x', None, None, None),
        ('1_0', None, None, None),
        ('12_3.5', None, None, None),
        ('\u0661\u0662', None, None, None),  # 12 in Arabic digits
        ('\uff11', None, None, None),  # a wide 1
        ('0x10', None, None, None),
        ('1 2', None, None, None),
        ('+7', 7, 7, None),
        ('.5', 0.5, None, None),
        ('2.', 2, 2, None),
        ('2.5E1', 25, 25, None),
        ('1e999', None, None, None),
        ('1' * 5000, None, None, None),
        (None, None, None, None),
        ([1], None, None, None),
        ({}, None, None, None),
    ],
)
def test_values(value, number, integer, flag):
    assert (read_number(value), read_integer(value), read_flag(value)) == (number, integer, flag)
    assert type(read_integer(value)) is (int if integer is not None else type(None))


@pytest.mark.parametrize(
    ('sides', 'size'),
    [((3, 4), (3, 4)), (('3', 4.0), (3, 4)), ((0, 4), None), ((3, -4), None), ((3, None), None), ((3.5, 4), None)],
)
def test_sizes(sides, size):
    assert read_size(*sides) == size
