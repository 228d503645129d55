import pytest

from convnext_dense.diagnosis.findings.base import ClassFacts, Facts
from convnext_dense.diagnosis.step_rules.base import Known, named


@pytest.mark.parametrize(
    ('names', 'said'),
    [
        (['a'], "'a'"),
        (['a', 'b'], "'a' and 'b'"),
        (['a', 'b', 'c', 'd'], "'a', 'b', 'c' and 'd'"),
        (['a', 'b', 'c', 'd', 'e'], "'a', 'b', 'c' and 2 more"),
    ],
)
def test_names_are_listed(names, said):
    assert named(names) == said


def test_class_facts_are_found_by_name():
    one = ClassFacts('b', 3, 3, 50.0)
    known = Known(Facts('top-1', 50, 40, 60, 9, 'images', [ClassFacts('a', 1, 1, None), one]))
    assert known.class_facts('b') is one and known.class_facts('c') is None
    assert Known().class_facts('b') is None
