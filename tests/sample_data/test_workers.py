"""Processes that draw the sample side by side."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from convnext_dense.sample_data.create import (
    SampleSize,
    ensure_sample,
    sample_root,
)
from tests.helpers.sample_process import hashes, let_draw, start_drawing

TINY = SampleSize(train_portraits=12, val_portraits=12, train_scenes=5, val_scenes=2)


ENDLESS = SampleSize(train_portraits=100_000, val_portraits=1, train_scenes=10, val_scenes=1)


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_same_bytes_with_any_number_of_workers(tmp_path: Path) -> None:
    one = hashes(ensure_sample(tmp_path / 'one', size=TINY, workers=1))
    three = hashes(ensure_sample(tmp_path / 'three', size=TINY, workers=3))
    assert one == three
    images = [digest for path, digest in one.items() if path.endswith('.jpg') and 'ade20k' not in path]
    assert len(set(images)) == len(images) == 24 + 7  # no two are alike


@pytest.mark.skipif(sys.platform != 'linux', reason='looks for the workers in /proc')
def test_workers_end_with_a_killed_parent_and_the_next_run_recovers(tmp_path: Path) -> None:
    process = start_drawing(tmp_path, ENDLESS)
    let_draw(process)

    def workers() -> list[int]:
        children = Path(f'/proc/{process.pid}/task/{process.pid}/children')
        return [int(pid) for pid in children.read_text().split()]

    deadline = time.monotonic() + 20
    while len(workers()) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    pids = workers()
    assert len(pids) == 2
    process.kill()
    process.wait()

    def alive(pid: int) -> bool:
        try:
            return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] not in 'ZX'
        except OSError:
            return False

    try:
        while any(map(alive, pids)) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not any(map(alive, pids))
    finally:
        for pid in filter(alive, pids):
            os.kill(pid, signal.SIGKILL)
    # the lock went with them, and so does what they left
    folder = sample_root(tmp_path, ENDLESS)
    assert list(tmp_path.glob(f'{folder.name}.partial-*'))
    with pytest.raises(KeyboardInterrupt), pytest.MonkeyPatch.context() as patch:
        patch.setattr('convnext_dense.sample_data.writer.make_folders', interrupt)
        ensure_sample(tmp_path, size=ENDLESS)
    assert [path for path in tmp_path.iterdir() if path.suffix != '.lock'] == []


@pytest.mark.skipif(sys.platform == 'win32', reason='needs process groups')
def test_control_c_ends_it_cleanly(tmp_path: Path) -> None:
    process = start_drawing(tmp_path, ENDLESS)
    let_draw(process)
    deadline = time.monotonic() + 20
    while not list(tmp_path.glob('*.partial-*/coco/train2017/*.jpg')) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the workers get it too
    _, err = process.communicate(timeout=20)
    assert process.returncode != 0
    assert err.count('Traceback') == 1  # the parent's own: the workers say nothing
    assert err.rstrip().endswith('KeyboardInterrupt')
    assert [path for path in tmp_path.iterdir() if path.suffix != '.lock'] == []
