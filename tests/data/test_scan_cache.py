"""What a scan finds is kept by the state of the files; the data sets' own tests show what changes it."""

import logging
import os

from convnext_dense.data.scan_cache import cache_file, files_digest, read_cache, scan_once


def test_a_scan_is_done_once_for_a_state(tmp_path, monkeypatch):
    monkeypatch.setenv('CONVNEXT_DENSE_CACHE', str(tmp_path / 'cache'))
    file, calls = cache_file('tiles', str(tmp_path / 'a.png'), 'kind'), []
    assert file.parent == tmp_path / 'cache' and file != cache_file('tiles', str(tmp_path / 'b.png'), 'kind')

    def scan():
        calls.append(1)
        return [[len(calls)]]

    assert [scan_once(file, 'one', scan, 'masks') for _ in range(2)] == [[[1]], [[1]]]
    assert scan_once(file, 'two', scan, 'masks') == [[2]] and read_cache(file, 'one') is None
    assert scan_once(file, 'three', scan, 'masks', lambda found: False) == [[3]] and read_cache(file, 'three') is None
    file.write_text('[]')
    assert scan_once(file, 'two', scan, 'masks') == [[4]]


def test_without_a_folder_it_is_done_each_time(tmp_path, monkeypatch, caplog):
    (tmp_path / 'cache').write_text('no folder')
    monkeypatch.setenv('CONVNEXT_DENSE_CACHE', str(tmp_path / 'cache'))
    file = cache_file('tiles', 'a', '')
    with caplog.at_level(logging.WARNING):
        assert [scan_once(file, 'one', lambda: 5, 'masks') for _ in range(2)] == [5, 5]
    assert 'so every start will read all masks: set CONVNEXT_DENSE_CACHE to a writable folder' in caplog.text


def test_the_state_is_of_files_and_settings(tmp_path):
    (tmp_path / 'a').write_text('1')
    files = [str(tmp_path / 'a'), str(tmp_path / 'absent')]
    first = files_digest(files, 1, 'x')
    assert files_digest(files, 1, 'x') == first != files_digest(files, 1, 'y')
    os.utime(tmp_path / 'a', ns=(5, 5))
    assert files_digest(files, 1, 'x') != first
