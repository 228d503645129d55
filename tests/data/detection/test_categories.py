"""Classes of several files, joined by name."""

import shlex

import pytest

from convnext_dense.data.class_choice import choice_of_flags, parse_merge, parse_names
from convnext_dense.data.detection.categories import check_known_names, read_categories
from convnext_dense.errors import UserError


@pytest.mark.parametrize('val', [('a', 'b', 'c'), ('c', 'a', 'b'), ('b',), ('c', 'b'), ()])
def test_the_same_names_in_any_order_and_some_of_them_are_known(val):
    check_known_names(val, 'v', ('a', 'b', 'c'), 't')


@pytest.mark.parametrize(
    ('val', 'said'),
    [
        (('a', 'b', 'c', 'd'), r'v has d, where t has 3 categories: a, b, c: use the same names'),
        (('a', 'B'), r'v has B, and lacks b, c, where t has'),
        (('d', 'e'), r'v has d, e, and lacks a, b, c'),
    ],
)
def test_other_names_are_refused(val, said):
    with pytest.raises(UserError, match=said):
        check_known_names(val, 'v', ('a', 'b', 'c'), 't')


@pytest.mark.parametrize(
    ('val', 'flags'),
    [
        (('cat', 'dogs'), "--merge 'dogs->dog'"),
        (('Cat', 'DOG', 'cats'), "--merge 'Cat,cats->cat' --merge 'DOG->dog'"),
        (('cat', 'aeroplane'), "--classes 'cat,dog,polar bear'"),
        (('Cat', 'aeroplane'), "--classes 'cat,dog,polar bear' --merge 'Cat->cat'"),
    ],
)
def test_flags_are_named_that_leave_known_classes_alone(val, flags):
    """And these flags do so."""
    known = ('cat', 'dog', 'polar bear')
    with pytest.raises(UserError) as error:
        check_known_names(val, 'v', known, 't')
    assert str(error.value).endswith(f': use the same names in both, or give {flags}')
    arguments = shlex.split(flags)
    parsed = dict(classes=None, merge=[])
    for flag, value in zip(arguments[::2], arguments[1::2], strict=True):
        parsed |= (
            {'classes': parse_names(value)}
            if flag == '--classes'
            else {'merge': [*parsed['merge'], parse_merge(value)]}
        )
    choice = choice_of_flags(parsed['classes'], parsed['merge'], None)
    choice.check((*known, *val), 'all')
    assert set(choice.apply(val).names) <= set(known) == set(choice.apply((*known, *val)).names)
    with pytest.raises(UserError) as error:
        check_known_names(val, 'v', known, 'the model', suggests_flags=False)
    assert str(error.value).endswith('use the same names in both')


def test_names_that_differ_only_in_case_are_said(tmp_path):
    found = read_categories(tmp_path, [{'id': 1, 'name': 'Cat'}, {'id': 2, 'name': 'cat'}, {'id': 3, 'name': 'dog'}])
    assert found.names == ('Cat', 'cat', 'dog')
    line = '2 categories with names that differ only in case, taken as different classes'
    assert [(fault.line, list(fault.ids)) for fault in found.faults] == [(line, [1, 2])]
