"""Names that stand for no object."""

import pytest

from convnext_dense.data.class_words import is_background, is_no_class


@pytest.mark.parametrize('name', ['background', '_background_', 'BG', 'Background (other)'])
def test_the_background(name):
    assert is_background(name) and not is_no_class(name)


@pytest.mark.parametrize('name', ['void', '__ignore__', 'unlabeled', 'Not labelled', "don't care"])
def test_no_class(name):
    assert is_no_class(name) and not is_background(name)


@pytest.mark.parametrize('name', ['cat', 'ground', 'voided', 'my background'])
def test_others(name):
    assert not is_background(name) and not is_no_class(name)
