"""Results that are kept by file."""

import os
from pathlib import Path

import pytest

from convnext_dense.data.formats.file_cache import kept_by_file
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
