"""Looking at images in several processes, and what becomes of these when the first one is killed."""

import os
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convnext_dense.data.image_scan import Header, look_at_all, read_header
from convnext_dense.errors import UserError


@pytest.fixture
def images(tmp_path) -> list[tuple[str, None]]:
    paths = [tmp_path / f'{i:02d}.png' for i in range(40)]
    for i, path in enumerate(paths):
        Image.fromarray(np.full((8, 8 + i, 3), i, np.uint8)).save(path)
    return [(str(path), None) for path in paths]


@pytest.mark.parametrize('workers', [1, 3])
def test_looks_come_in_order(images, workers):
    looks = look_at_all(images, workers, lambda: None)
    assert [one.header.size for one in looks] == [(8 + i, 8) for i in range(40)]
    assert len({one.digest for one in looks}) == 40


def test_a_header_says_what_decoding_says(images):
    path = images[3][0]
    assert read_header(path) == look_at_all(images[3:4], 1, lambda: None)[0].header
    assert read_header(path) == Header((11, 8), 1, 'RGB', 'PNG')
    assert read_header('/nowhere/a.png') == 'No such file or directory'


@pytest.mark.parametrize(
    ('stored', 'orientation', 'annotated', 'fits'),
    [
        ((8, 6), 1, (8, 6), True),
        ((8, 6), 1, (6, 8), False),
        ((8, 6), 6, (6, 8), True),
        ((8, 6), 6, (8, 6), True),
        ((8, 6), 3, (6, 8), False),
        ((8, 6), 1, None, True),
    ],
)
def test_which_sizes_fit(stored, orientation, annotated, fits):
    assert Header(stored, orientation, 'RGB', 'PNG').fits(annotated) is fits


def test_a_process_that_dies_is_an_error_in_one_line(images, monkeypatch):
    monkeypatch.setattr('convnext_dense.data.image_scan.upright_rgb', lambda image: os._exit(9))
    with pytest.raises(UserError, match='perhaps for lack of memory'):
        look_at_all(images, 2, lambda: None)


def test_no_process_outlives_one_that_is_killed(tmp_path):
    """An image that is a pipe keeps a worker waiting for as long as it takes."""
    os.mkfifo(tmp_path / 'pipe.jpg')
    items = [(str(tmp_path / 'pipe.jpg'), None)] * 40
    process = get_context('fork').Process(target=look_at_all, args=(items, 2, int))
    process.start()
    children = Path(f'/proc/{process.pid}/task/{process.pid}/children')
    deadline = time.monotonic() + 30
    while len(workers := children.read_text().split()) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(workers) == 2
    time.sleep(0.5)  # until they look
    process.kill()
    process.join()
    while any(alive(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(alive(pid) for pid in workers)


def alive(pid: str) -> bool:
    status = Path(f'/proc/{pid}/stat')
    return status.exists() and status.read_text().rsplit(')', 1)[1].split()[0] != 'Z'
