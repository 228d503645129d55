"""The sample data: four valid formats, the same bytes on every run, written once however many ask."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import cv2
import pytest

from convnext_dense.errors import UserError
from convnext_dense.io.cache import CACHE_VARIABLE
from convnext_dense.sample_data import create
from convnext_dense.sample_data.create import (
    FULL,
    SAMPLE_VERSION,
    SampleSize,
    ensure_sample,
    sample_root,
)
from convnext_dense.sample_data.draw_once import MANIFEST
from tests.helpers.sample_process import hashes, let_draw, start_drawing
from tests.sample_data.conftest import SIZE

TINY = SampleSize(train_portraits=12, val_portraits=12, train_scenes=5, val_scenes=2)
LEAST = SampleSize(train_portraits=1, val_portraits=1, train_scenes=1, val_scenes=1)


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_root_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    name = f'sample-v{SAMPLE_VERSION}'
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / 'a'))
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'b'))
    assert sample_root() == tmp_path / 'a' / name
    assert sample_root(tmp_path / 'c') == tmp_path / 'c' / name
    monkeypatch.delenv(CACHE_VARIABLE)
    assert sample_root() == tmp_path / 'b' / 'convnext_dense' / name
    monkeypatch.delenv('XDG_CACHE_HOME')
    monkeypatch.setenv('HOME', str(tmp_path / 'home'))
    assert sample_root() == tmp_path / 'home/.cache/convnext_dense' / name


def test_other_sizes_lie_beside_the_full_one(tmp_path: Path) -> None:
    assert len({sample_root(tmp_path, size) for size in (FULL, SIZE, TINY)}) == 3


def test_a_smaller_sample_is_the_beginning_of_a_larger_one(sample: Path, tmp_path: Path) -> None:
    small, large = hashes(ensure_sample(tmp_path, size=TINY, workers=1)), hashes(sample)
    images = [path for path in small if path.endswith(('.jpg', '.png'))]
    assert images
    assert all(small[path] == large[path] for path in images)


def test_another_version_of_the_files_has_the_same_drawings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = hashes(ensure_sample(tmp_path / 'a', size=LEAST, workers=1))
    monkeypatch.setattr(create, 'SAMPLE_VERSION', 99)
    second = hashes(ensure_sample(tmp_path / 'b', size=LEAST, workers=1))
    assert {path for path in first if first[path] != second[path]} == {MANIFEST} and first.keys() == second.keys()


def test_second_call_writes_nothing(sample: Path, capfd: pytest.CaptureFixture) -> None:
    before = {path: path.stat().st_mtime_ns for path in sample.parent.rglob('*') if path.suffix != '.lock'}
    for lock in sample.parent.glob('*.lock'):
        lock.unlink()
    capfd.readouterr()
    started = time.perf_counter()
    assert ensure_sample(sample.parent, size=SIZE) == sample
    assert time.perf_counter() - started < 0.5
    # no lock either: a sample in a folder one may only read is as good
    assert {path: path.stat().st_mtime_ns for path in sample.parent.rglob('*')} == before
    assert capfd.readouterr() == ('', '')


def test_says_so_when_it_draws(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    folder = ensure_sample(tmp_path, size=LEAST, workers=1)
    out, err = capfd.readouterr()
    assert out == ''
    first, last = err.splitlines()
    assert first == f'drawing the sample data once, 4 images, about 1 s, into {folder}'
    assert re.fullmatch(rf'the sample data is ready after \d+ s in {folder}', last)


def test_the_estimate_is_for_the_images_and_the_workers(monkeypatch: pytest.MonkeyPatch, capfd, tmp_path) -> None:
    monkeypatch.setattr('convnext_dense.sample_data.create.run_jobs', interrupt)
    for workers, seconds in ((1, 30), (4, 8)):
        with pytest.raises(KeyboardInterrupt):
            ensure_sample(tmp_path, workers=workers)
        assert f'7,700 images, about {seconds} s, into' in capfd.readouterr().err


@pytest.mark.parametrize('manifest', [None, '', '{"version": 0}'])
def test_an_incomplete_sample_is_replaced(tmp_path: Path, manifest: str | None) -> None:
    folder = sample_root(tmp_path, LEAST)
    partial = folder.with_name(f'{folder.name}.partial-1')
    for half_written in (folder, partial):
        (half_written / 'coco').mkdir(parents=True)
        (half_written / 'coco' / 'stale').touch()
    if manifest is not None:
        (folder / MANIFEST).write_text(manifest)
    assert ensure_sample(tmp_path, size=LEAST, workers=1) == folder
    assert not partial.exists()
    assert not (folder / 'coco' / 'stale').exists()
    assert json.loads((folder / MANIFEST).read_text())['version'] == SAMPLE_VERSION


def test_unwritable_root_is_a_user_error(tmp_path: Path) -> None:
    blocked = tmp_path / 'file' / 'cache'
    blocked.parent.touch()
    with pytest.raises(UserError) as caught:
        ensure_sample(blocked, size=LEAST)
    message = str(caught.value)
    assert str(blocked) in message
    assert CACHE_VARIABLE in message
    assert '\n' not in message


def test_a_failed_try_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = cv2.getNumThreads()
    cv2.setNumThreads(2)
    monkeypatch.setattr('convnext_dense.sample_data.writer.write_coco', interrupt)
    with pytest.raises(KeyboardInterrupt):
        ensure_sample(tmp_path, size=LEAST, workers=2)
    assert [path for path in tmp_path.iterdir() if path.suffix != '.lock'] == []
    assert cv2.getNumThreads() == 2
    cv2.setNumThreads(threads)


def test_two_processes_at_once_draw_one_sample(tmp_path: Path) -> None:
    pair = [start_drawing(tmp_path, TINY) for _ in range(2)]
    for process in pair:
        let_draw(process)
    said = [process.communicate(timeout=60) for process in pair]
    assert [process.returncode for process in pair] == [0, 0], said
    folder = sample_root(tmp_path, TINY)
    assert [out.strip() for out, _ in said] == [str(folder)] * 2
    assert sum('drawing' in err for _, err in said) == 1
    assert sum('waiting for another process' in err for _, err in said) == 1
    assert sorted(p.name for p in tmp_path.iterdir() if p.suffix != '.lock') == [folder.name]
