"""JSON files and their beginnings."""

import os
from pathlib import Path

import pytest

from convnext_dense.data.formats.json_files import HEAD, MOST_SNIFFED, any_below, first_files, head, read_json
from convnext_dense.errors import UserError
from tests.helpers.layouts import touch


def test_a_byte_order_mark_is_no_part_of_json(tmp_path):
    (tmp_path / 'a.json').write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(tmp_path / 'a.json') == {'a': 1}


@pytest.mark.parametrize('content', [b'', b'{', b'\xff\xfe{', b'[' * 100_000])
def test_other_content_is_refused_in_a_line(tmp_path, content):
    (tmp_path / 'a.json').write_bytes(content)
    with pytest.raises(UserError, match=r'a\.json is not JSON') as error:
        read_json(tmp_path / 'a.json')
    assert '\n' not in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r'a\.json cannot be read \(No such file'):
        read_json(tmp_path / 'a.json')
    assert head(tmp_path / 'a.json') == b''


def test_files_beside_an_image_come_first_and_only_some_are_listed(tmp_path):
    touch(tmp_path, *(f'{n}.json' for n in range(20)), 'x.json', 'x.jpg', '.hidden.json', 'a.txt')
    files = [os.path.basename(file) for file in first_files(tmp_path, '.json')]
    assert files[0] == 'x.json'
    assert len(files) == MOST_SNIFFED
    assert first_files(tmp_path / 'none', '.json') == []


def test_only_the_beginning_of_a_file_is_read(tmp_path):
    (tmp_path / 'a.json').write_bytes(b'a' * (HEAD + 1))
    assert len(head(tmp_path / 'a.json')) == HEAD


def test_folders_are_looked_at_down_to_a_depth(tmp_path):
    (tmp_path / 'a/b/c').mkdir(parents=True)
    looked_at: list[Path] = []
    assert not any_below(tmp_path, 2, lambda folder: bool(looked_at.append(folder)))
    assert looked_at == [tmp_path, tmp_path / 'a', tmp_path / 'a/b']
