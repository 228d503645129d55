"""Descriptions of other libraries' errors."""

import pytest

from convnext_dense.errors import describe_error, last_line


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:
        return caught


@pytest.mark.parametrize(
    ('error', 'said'),
    [
        (KeyError('Head is not in the registry. Please check'), 'Head is not in the registry'),
        (ValueError('two\n  lines'), 'two lines'),
        (FileNotFoundError(2, 'No such file', 'x'), "[Errno 2] No such file: 'x'"),
        (AssertionError(), "AssertionError at 'raise error'"),
    ],
)
def test_an_error_is_described_in_a_line(error, said):
    assert describe_error(raised(error)) == said


def test_the_last_line_is_the_error_itself():
    assert last_line(ValueError('  File "x.py"\n\n  name is not defined \n')) == 'name is not defined'
    assert last_line(AssertionError()) == 'AssertionError' == describe_error(AssertionError())
