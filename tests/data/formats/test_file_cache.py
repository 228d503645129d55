"""Results that are kept by file."""

import os
from pathlib import Path

import pytest

from convnext_dense.data.formats.file_cache import files_unchanged, kept_by_file, kept_by_files, kept_while_unchanged
from convnext_dense.errors import NoData, UserError


def test_a_file_is_read_again_only_if_it_has_changed(tmp_path):
    read: list[Path] = []

    @kept_by_file
    def content(path: Path) -> str:
        read.append(path)
        return path.read_text()

    file = tmp_path / 'a.txt'
    file.write_text('one')
    os.utime(file, ns=(1, 1))
    assert [content(file), content(file)] == ['one', 'one']
    assert read == [file]
    file.write_text('two')
    os.utime(file, ns=(2, 2))
    assert (content(file), len(read)) == ('two', 2)
    file.write_text('three')
    os.utime(file, ns=(2, 2))
    assert (content(file), len(read)) == ('three', 3)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    content = kept_by_file(Path.read_text)
    with pytest.raises(NoData, match=r'no annotations at .*a\.txt'):
        content(tmp_path / 'a.txt')
    (tmp_path / 'b').touch()
    with pytest.raises(UserError, match=r'b/a\.txt cannot be read'):
        content(tmp_path / 'b/a.txt')


def test_several_files_are_read_again_only_if_one_has_changed(tmp_path):
    read: list[tuple[Path, ...]] = []

    @kept_by_files
    def content(paths: tuple[Path, ...]) -> str:
        read.append(paths)
        return ' '.join(path.read_text() for path in paths)

    files = tmp_path / 'a', tmp_path / 'b'
    for file in files:
        file.write_text('one')
    assert [content(files), content(files), len(read)] == ['one one', 'one one', 1]
    files[1].write_text('three')
    assert (content(files), len(read)) == ('one three', 2)
    files[1].unlink()
    with pytest.raises(NoData, match=r'no annotations at .*b'):
        content(files)


def test_what_is_found_is_kept_only_while_files_are_unchanged(tmp_path):
    found: list[Path] = []

    @kept_while_unchanged
    def names(path: Path) -> list[str]:
        found.append(path)
        return sorted(os.listdir(path))

    assert [names(tmp_path), names(tmp_path), len(found)] == [[], [], 2]
    for number in (1, 2):
        with files_unchanged():
            before = names(tmp_path)
            with files_unchanged():
                (tmp_path / f'{number}').touch()
                assert names(tmp_path) == before
            assert names(tmp_path) == before
        assert len(found) == 2 * number + 1
        assert len(names(tmp_path)) == number
