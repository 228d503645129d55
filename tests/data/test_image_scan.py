"""Scanning images in several processes, and what becomes of these when the first one is killed."""

import base64
import io
import json
import os
import time
import warnings
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from convnext_dense.data.image_scan import ImageHeader, read_header, read_headers, scan_images
from convnext_dense.errors import UserError
from convnext_dense.io.image_size import ImageSize
from convnext_dense.io.opening import Opening
from convnext_dense.io.value_range import ValueRange


@pytest.fixture
def images(tmp_path) -> list[tuple[str, None]]:
    paths = [tmp_path / f'{i:02d}.png' for i in range(40)]
    for i, path in enumerate(paths):
        Image.fromarray(np.full((8, 8 + i, 3), i, np.uint8)).save(path)
    return [(str(path), None) for path in paths]


@pytest.mark.parametrize('workers', [1, 3])
def test_scans_come_in_order(images, workers):
    scans = scan_images(images, workers)
    assert [scan.header.size for scan in scans] == [(8, 8 + i) for i in range(40)]
    assert len({scan.digest for scan in scans}) == 40


@pytest.fixture
def tiff(tmp_path) -> str:
    array = np.random.default_rng(0).integers(0, 4096, (70, 90, 3), np.int16)
    tifffile.imwrite(tmp_path / 'a.tif', array, photometric='rgb', tile=(16, 32))
    return str(tmp_path / 'a.tif')


@pytest.mark.parametrize('settings', [dict(value_range=ValueRange(0, 4000)), dict(by_bands=True)])
def test_an_image_that_is_read_by_tiles_is_scanned_so_whatever_its_size(tiff, settings):
    (whole,) = scan_images([(tiff, None)], 1, **settings)
    (scan,) = scan_images([(tiff, None)], 1, **settings, in_tiles=True, opening=Opening(max_pixels=6000))
    assert scan.in_windows and not whole.in_windows
    assert str(scan._replace(in_windows=False)) == str(whole)
    (refused,) = scan_images([(tiff, None)], 1, **settings, opening=Opening(max_pixels=6000))
    assert refused.is_too_large


def test_values_without_a_range_are_found_where_tiles_are_read(tiff):
    tifffile.imwrite(tiff, np.full((70, 90, 3), 200, np.int16), photometric='rgb', tile=(16, 32))
    (whole,) = scan_images([(tiff, None)], 1)
    assert not whole.fault  # the whole image tells it
    (scan,) = scan_images([(tiff, None)], 1, in_tiles=True)
    assert scan.is_ambiguous and scan.fault.startswith('its values are int16, of which windows are read: say which')


def test_a_header_says_what_decoding_says(images):
    path = images[3][0]
    assert read_header(path) == scan_images(images[3:4], 1)[0].header
    assert read_header(path) == ImageHeader((8, 11), 1, 'RGB', 'PNG')
    assert read_header('/nowhere/a.png') == 'No such file or directory'


def test_many_headers_come_in_order_and_leave_warnings_as_they_are(images):
    paths = [*(path for path, _ in images), '/nowhere/a.png']
    filters = list(warnings.filters)
    assert read_headers(paths) == [read_header(path) for path in paths]
    assert warnings.filters == filters
    assert read_headers([]) == []


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
    assert ImageHeader(ImageSize(*stored), orientation, 'RGB', 'PNG').fits(annotated and ImageSize(*annotated)) is fits


def test_a_process_that_dies_is_an_error_in_one_line(images, monkeypatch):
    monkeypatch.setattr('convnext_dense.data.image_scan.measure_values', lambda *_: os._exit(9))
    with pytest.raises(UserError, match='perhaps out of memory'):
        scan_images(images, 2)


def test_no_process_outlives_one_that_is_killed(tmp_path):
    """An image that is a pipe keeps a worker waiting for as long as it takes."""
    os.mkfifo(tmp_path / 'pipe.jpg')
    pairs = [(str(tmp_path / 'pipe.jpg'), None)] * 40
    process = get_context('fork').Process(target=scan_images, args=(pairs, 2))
    process.start()
    children = Path(f'/proc/{process.pid}/task/{process.pid}/children')
    deadline = time.monotonic() + 30
    while len(workers := children.read_text().split()) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(workers) == 2
    time.sleep(0.5)  # until they decode
    process.kill()
    process.join()
    while any(alive(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(alive(pid) for pid in workers)


def alive(pid: str) -> bool:
    status = Path(f'/proc/{pid}/stat')
    return status.exists() and status.read_text().rsplit(')', 1)[1].split()[0] != 'Z'


def test_the_header_of_an_image_inside_of_a_json_file(tmp_path):
    buffer = io.BytesIO()
    Image.new('L', (7, 5)).save(buffer, 'PNG')
    (tmp_path / 'a.json').write_text(json.dumps({'imageData': base64.b64encode(buffer.getvalue()).decode()}))
    header = ImageHeader(ImageSize(5, 7), 1, 'L', 'PNG')
    assert read_header(str(tmp_path / 'a.json')) == header
    (scan,) = scan_images([(str(tmp_path / 'a.json'), None)], 1)
    assert scan.header == header
    (tmp_path / 'b.json').write_text('{}')
    assert str(read_header(str(tmp_path / 'b.json'))).startswith('a JSON file without an image')
