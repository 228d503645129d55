"""Classes of several files, joined by name."""

import pytest

from convnext_dense.data.detection.categories import check_known_names
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
