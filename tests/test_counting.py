"""Numbers with their nouns."""

import pytest

from convnext_dense.counting import counted


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        ((0, 'image'), '0 images'),
        ((1, 'image'), '1 image'),
        ((2, 'class', 'classes'), '2 classes'),
        ((1, 'class', 'classes'), '1 class'),
        ((1234, 'step'), '1,234 steps'),
    ],
)
def test_numbers_have_their_nouns(arguments, expected):
    assert counted(*arguments) == expected
