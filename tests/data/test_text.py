"""Parts of messages about data."""

import pytest

from convnext_dense.data.text import quoted


@pytest.mark.parametrize(
    ('value', 'text'),
    [
        ('cat', "'cat'"),
        (7, '7'),
        (None, 'None'),
        (['dog'], "['dog']"),
        ({'a': 1.5}, "{'a': 1.5}"),
        ('a\nb', r"'a\nb'"),
    ],
)
def test_short_values_are_written_as_they_are(value, text):
    assert quoted(value) == text


def nested(depth: int, width: int) -> list:
    """Lists in lists, of which each holds the same one several times, so that all of it is astronomically long."""
    value: list = ['x']
    for _ in range(depth):
        value = [value] * width
    return value


@pytest.mark.parametrize(
    'value', ['x' * 10**6, 10**4000, list(range(10**6)), {'a' * 99: {'b' * 99: ['c' * 99] * 9}}, nested(60, 9)]
)
def test_long_and_deep_values_are_cut(value):
    assert len(quoted(value)) <= 60
    assert '...' in quoted(value)
