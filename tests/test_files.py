"""Files appear whole or not at all."""

import pytest

from convnext_dense.files import whole


def test_a_file_appears_when_it_is_whole(tmp_path):
    path = tmp_path / 'a.json'
    path.write_text('old')
    with whole(path) as temporary:
        assert (temporary.parent, temporary.suffix) == (tmp_path, '.json')
        temporary.write_text('new')
        assert path.read_text() == 'old'
    assert path.read_text() == 'new'
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_fails_leaves_the_old_one_and_nothing_else(tmp_path):
    path = tmp_path / 'a.json'
    path.write_text('old')
    with pytest.raises(KeyboardInterrupt), whole(path) as temporary:
        temporary.write_text('half')
        raise KeyboardInterrupt
    assert path.read_text() == 'old'
    assert list(tmp_path.iterdir()) == [path]
