"""Top-level lists of JSON files against Python's json, wherever else their names stand."""

import json
import random

import pytest

from convnext_dense.io import json_lists
from convnext_dense.io.json_lists import iterate_list

WANTED = [{'id': 1, 'name': 'a'}, {'id': 2, 'name': ']}"categories": [\\'}, {'id': 3, 'more': [[1], {'x': [2]}]}]


@pytest.mark.parametrize(
    'content',
    [
        {'categories': WANTED},
        {'info': {'categories': [{'id': 9, 'name': 'x'}]}, 'categories': WANTED},
        {'images': [{'categories': [{'name': 'x'}]}], 'categories': WANTED, 'z': [{'categories': []}]},
        {'info': {'description': 'the "categories": [{"name": "x"}]'}, 'categories': WANTED},
        {'a"categories': [{'name': 'x'}], 'categories': WANTED},
        {'a\\': '\\', 'b': ['}', '"', '\\"', '{[', ''], 'categories': WANTED},
        {'licenses': [[[{'categories': [[]]}]]], 'info': 'categories', 'categories': WANTED},
    ],
)
@pytest.mark.parametrize('indent', [None, 1])
@pytest.mark.parametrize('chunk', [1, 3, 1 << 24])
def test_only_the_top_level_key_counts(tmp_path, monkeypatch, content, indent, chunk):
    monkeypatch.setattr(json_lists, 'CHUNK', chunk)
    (tmp_path / 'a.json').write_text(json.dumps(content, indent=indent))
    assert list(iterate_list(tmp_path / 'a.json', 'categories')) == WANTED


def test_random_files_are_read_as_by_json(tmp_path, monkeypatch):
    rng = random.Random(0)

    def value(depth):
        kind = rng.randrange(7 if depth else 4)
        if kind < 4:
            return rng.choice(['"', '\\', '\\"', '[', ']}', '"k": [', 'ä', 'k', '', 5, None, True, -1.5e3])
        if kind < 5:
            return [value(depth - 1) for _ in range(rng.randrange(4))]
        return {rng.choice(['k', 'l"', 'm\\', '[', 'k"']): value(depth - 1) for _ in range(rng.randrange(4))}

    for number in range(300):
        content = {rng.choice(['k', 'l"', '}', 'k\\']): value(3) for _ in range(4)}
        content['k'] = [{'v': value(2)} for _ in range(3)]
        items = list(content.items())
        rng.shuffle(items)
        monkeypatch.setattr(json_lists, 'CHUNK', rng.choice([1, 2, 7, 50]))
        (tmp_path / 'a.json').write_text(json.dumps(dict(items), ensure_ascii=number % 2 == 0), 'utf-8')
        assert list(iterate_list(tmp_path / 'a.json', 'k')) == content['k']


def test_the_last_of_a_repeated_key_counts_as_in_json(tmp_path):
    text = '{"k": [{"v": 1}], "l": {"k": [{"v": 3}]}, "k": [{"v": 2}]}'
    (tmp_path / 'a.json').write_text(text)
    assert list(iterate_list(tmp_path / 'a.json', 'k')) == json.loads(text)['k'] == [{'v': 2}]


@pytest.mark.parametrize('text', ['{}', '{"k": 5}', '{"l": {"k": []}}', '[{"k": []}]', '{"k": [], "k": 1}'])
def test_no_such_list(tmp_path, text):
    (tmp_path / 'a.json').write_text(text)
    with pytest.raises(LookupError, match="no list 'k'"):
        list(iterate_list(tmp_path / 'a.json', 'k'))


def test_a_list_without_end(tmp_path):
    (tmp_path / 'a.json').write_text('{"k": [{"a": 1}')
    items = iterate_list(tmp_path / 'a.json', 'k')
    assert next(items) == {'a': 1}  # only what is needed is read
    with pytest.raises(ValueError, match='no end'):
        next(items)
