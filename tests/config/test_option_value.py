"""Values on the command line: as mmengine reads them, and dicts, which it does not."""

import itertools

import pytest
from mmengine.config import DictAction

from convnext_dense.config.option_value import parse_value


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ("[dict(type='mmseg.DiceLoss', loss_weight=0.5)]", [dict(type='mmseg.DiceLoss', loss_weight=0.5)]),
        ('[dict(type=LinearLR, end=5), dict(type=PolyLR)]', [dict(type='LinearLR', end=5), dict(type='PolyLR')]),
        ("{'a': 1}", {'a': 1}),
        ('{a: 1, b: {c: [x, None]}}', {'a': 1, 'b': {'c': ['x', None]}}),
        ('{1: (2, 3)}', {1: (2, 3)}),
        ('dict()', {}),
        ('{}', {}),
        ('dict(a=dict(b=dict(c=(1,))), )', {'a': {'b': {'c': (1,)}}}),
        ("dict(a='x, y', b=\"it's\")", {'a': 'x, y', 'b': "it's"}),
        ('dict(a=1),dict(a=2)', [{'a': 1}, {'a': 2}]),
        ("'[dict(a=1)]'", [{'a': 1}]),
        ("'1'", '1'),
        ("['True', None, false]", ['True', None, False]),
        ('/data/my images', '/data/my images'),
        ('a b, c', ['a b', 'c']),
        ('/data/x(1)', '/data/x(1)'),
        ('C:\\data', 'C:\\data'),
        ('https://x.org/a?b=1', 'https://x.org/a?b=1'),
        ('[^a-z]+', None),
    ],
)
def test_values(text, expected):
    if expected is None:
        with pytest.raises(ValueError, match='is not expected there'):
            parse_value(text)
    else:
        assert parse_value(text) == expected and repr(parse_value(text)) == repr(expected)


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        ('[1,2', 'brackets do not match'),
        ('[(1,2]', 'brackets do not match'),
        ('1,2]', 'brackets do not match'),
        ('dict(a=1', 'brackets do not match'),
        ('{a: 1', 'brackets do not match'),
        ('a,b(', 'brackets do not match|only dict'),
        ("['a", 'quotes do not match'),
        ('[foo(1, 2)]', r'only dict\(...\) can be called, not foo'),
        ('foo(1, 2)', r'only dict\(...\) can be called, not foo'),
        ('dict(1)', '1 has no value'),
        ('{a}', "'a' has no value"),
        ('{a: }', "a value is missing before '}'"),
        ('[1,,2]', "a value is missing before ','"),
        ('{[1]: 2}', 'can be no key'),
    ],
)
def test_what_has_no_value_is_said(text, said):
    with pytest.raises(ValueError, match=said):
        parse_value(text)


def test_what_mmengine_reads_is_read_as_mmengine_does():
    """All nested lists and tuples of some words, up to a depth."""
    level = ['1', '-2.5', 'x', 'TRUE', 'None', '1e-3', 'a.b/c']
    compared = 0
    for form in ('{},{}', '[[{},{}]]'):  # mmengine does not return from '[1],[2]'
        pairs = list(itertools.product(level[:9], level[:9]))
        level = [f.format(a, b) for a, b in pairs for f in (form, '[{},{}]', '({}, {})', '[{}]', '({},)')]
        for text in level:
            assert parse_value(text) == DictAction._parse_iterable(text), text
            compared += 1
        level = [text for text in level if text[0] in '[('][::7] + ['y', '3']
    assert compared > 400
