"""First files of a folder and their beginnings."""

import os
from pathlib import Path

from convnext_dense.data.formats.first_files import HEAD, MOST_SNIFFED, any_below, first_files, head, walk
from tests.helpers.layouts import touch


def test_a_file_that_is_not_there_has_no_beginning(tmp_path):
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


def test_folders_are_walked_nearest_first(tmp_path):
    touch(tmp_path, 'a/x/y/', 'b/z/', '.hidden/')
    folders = [tmp_path / name for name in ('', 'a', 'b', 'a/x', 'b/z', 'a/x/y')]
    assert list(walk(tmp_path, 10)) == folders
    assert list(walk(tmp_path, 3)) == folders[:3]
    assert list(walk(tmp_path / 'none', 3)) == [tmp_path / 'none']
