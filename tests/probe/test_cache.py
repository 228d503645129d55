"""The features on disk: nothing stale is served, and nothing that was written is lost."""

import os

import numpy as np
import pytest

from convnext_dense.errors import UserError
from convnext_dense.probe import cache as caches
from convnext_dense.probe.cache import FeatureCache, file_state


@pytest.fixture
def files(tmp_path) -> list[str]:
    paths = [tmp_path / f'{i}.jpg' for i in range(6)]
    for i, path in enumerate(paths):
        path.write_bytes(bytes([i]) * 5)
    return list(map(str, paths))


def rows(count: int = 6, width: int = 3) -> np.ndarray:
    return np.arange(count * width, dtype=np.float32).reshape(count, width)


@pytest.fixture
def folder(tmp_path, files) -> str:
    """A cache with features of all files."""
    FeatureCache(tmp_path / 'cache', {'a': 1}, 3).add(list(map(file_state, files)), rows())
    return tmp_path / 'cache'


def test_features_are_found_again_in_any_order(folder, files):
    states = list(map(file_state, files))
    cache = FeatureCache(folder, {'a': 1}, 3)
    assert len(cache) == 6
    np.testing.assert_array_equal(cache.features(states), rows())
    np.testing.assert_array_equal(cache.features(states[2:5]), rows()[2:5])
    np.testing.assert_array_equal(cache.features([states[i] for i in (4, 0, 4)]), rows()[[4, 0, 4]])
    assert cache.features([]).shape == (0, 3)


def test_long_lists_are_gathered_in_parts(folder, files, monkeypatch):
    monkeypatch.setattr(caches, 'GATHERED', 2)
    order = [5, 3, 1, 0, 2]
    found = FeatureCache(folder, {'a': 1}, 3).features([file_state(files[i]) for i in order])
    np.testing.assert_array_equal(found, rows()[order])


def test_a_changed_file_is_not_served(folder, files):
    before = os.stat(files[0])
    with open(files[0], 'wb') as file:
        file.write(b'other')  # of the same length
    os.utime(files[0], ns=(before.st_atime_ns, before.st_mtime_ns))  # as some programs that copy files
    cache = FeatureCache(folder, {'a': 1}, 3)
    assert file_state(files[0]) not in cache
    assert file_state(files[1]) in cache
    cache.add([file_state(files[0])], np.full((1, 3), 7, np.float32))
    again = FeatureCache(folder, {'a': 1}, 3)
    np.testing.assert_array_equal(
        again.features([file_state(files[i]) for i in (0, 1)]), [[7, 7, 7], rows()[1].tolist()]
    )


def test_another_identity_has_none(folder, files):
    assert file_state(files[0]) not in FeatureCache(folder, {'a': 2}, 3)


@pytest.mark.parametrize('name', [caches.FEATURES, caches.FILES])
@pytest.mark.parametrize('lost', [1, 13])
def test_what_was_cut_off_is_computed_again_and_the_rest_is_kept(folder, files, name, lost):
    (file,) = folder.glob(f'*/{name}')
    with open(file, 'r+b') as content:
        content.truncate(file.stat().st_size - lost)
    cache = FeatureCache(folder, {'a': 1}, 3)
    states = list(map(file_state, files))
    present = [state in cache for state in states]
    kept = sum(present)
    assert present == [True] * kept + [False] * (6 - kept) and 4 <= kept <= 5
    cache.add(states[kept:], rows()[kept:])
    np.testing.assert_array_equal(FeatureCache(folder, {'a': 1}, 3).features(states), rows())


def test_a_damaged_row_is_not_served(folder, files):
    (file,) = folder.glob(f'*/{caches.FEATURES}')
    with open(file, 'r+b') as content:
        content.seek(2 * 12 + 5)
        content.write(b'\x55')
    cache = FeatureCache(folder, {'a': 1}, 3)
    assert [file_state(path) in cache for path in files] == [True, True, False, True, True, True]


def test_names_that_are_no_unicode(tmp_path):
    name = os.fsencode(tmp_path) + b'/\xff.jpg'
    try:
        with open(name, 'wb'):
            pass
    except OSError:
        pytest.skip('this file system has no such names')
    state = file_state(os.fsdecode(name))
    FeatureCache(tmp_path / 'cache', {}, 3).add([state], rows(1))
    assert state in FeatureCache(tmp_path / 'cache', {}, 3)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(UserError, match=r'cannot be written .*--work-dir'):
        FeatureCache(tmp_path / 'file', {}, 3)
