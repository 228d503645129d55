"""Label maps written block by block: as TIFF, going on after a stop, refused for other settings, on a full disk."""

import errno
import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import tifffile

from convnext_dense.errors import UserError
from convnext_dense.io import tiff_file
from convnext_dense.io.image_size import ImageSize
from convnext_dense.tiling.blocks import Block, BlockGrid, Position
from convnext_dense.tiling.label_file import LabelFile

SIZE, TILE = ImageSize(101, 140), ImageSize(32, 36)
OF = {'image': 'a.tif', 'checkpoint': '1f3a'}


def grid_of(classes=4, size=SIZE, overlap=0.4):
    return BlockGrid(size, TILE, overlap, classes, budget=20_000)


def drawn(size=SIZE, classes=4):
    return np.random.default_rng(0).integers(0, classes, size, dtype=np.uint16)


def blocks_of(grid, labels, start=(0, 0)):
    lane, row = start
    while lane < len(grid.lanes):
        window = grid.window((lane, row))
        lane, row = (lane, row + 1) if row + 1 < len(grid.rows) else (lane + 1, 0)
        yield Block(window, labels[window.slices], Position(lane, row))


def write(path, grid, labels, most=None, of=OF, tags=()):
    with LabelFile(path, grid, of) as file:
        start = file.done
        for i, block in enumerate(blocks_of(grid, labels, file.next)):
            if i == most:
                return start
            file.write(block)
        file.finish(tags)
    return start


@pytest.mark.parametrize(('classes', 'dtype'), [(4, 'uint8'), (300, 'uint16')])
@pytest.mark.parametrize('size', [(101, 140), (300, 280), (20, 16)])
def test_it_ends_as_a_tiled_compressed_tiff_and_nothing_else(tmp_path, size, classes, dtype):
    path, labels = tmp_path / 'new' / 'labels.tif', drawn(size, classes)
    write(path, grid_of(classes, ImageSize(*size)), labels)
    with tifffile.TiffFile(path) as tiff:
        (page,) = tiff.pages
        assert page.is_tiled and page.compression == tifffile.COMPRESSION.ADOBE_DEFLATE and not tiff.is_bigtiff
        assert page.dtype == dtype
        np.testing.assert_array_equal(page.asarray(), labels)
    assert os.listdir(path.parent) == ['labels.tif']


def test_it_goes_on_wherever_it_was_stopped(tmp_path):
    grid, labels, path = grid_of(), drawn(), tmp_path / 'labels.tif'
    starts = [write(path, grid, labels, most=2)]
    while not path.exists():
        assert {'labels.tif.part', 'labels.tif.progress.json'} == set(os.listdir(tmp_path))
        starts.append(write(path, grid, labels, most=3))
    assert starts == [0, *range(2, grid.count, 3)]
    np.testing.assert_array_equal(tifffile.imread(path), labels)


def test_without_a_block_nothing_is_left_and_nothing_is_in_the_way(tmp_path):
    path = tmp_path / 'labels.tif'
    write(path, grid_of(), drawn(), most=0)
    assert not os.listdir(tmp_path)
    with LabelFile(path, grid_of(), OF):
        killed = {name: (tmp_path / name).read_bytes() for name in ('labels.tif.part', 'labels.tif.progress.json')}
    for name, content in killed.items():
        (tmp_path / name).write_bytes(content)
    assert write(path, grid_of(overlap=0.2), drawn(), of={'image': 'b.tif'}) == 0, 'of other settings, without a block'
    np.testing.assert_array_equal(tifffile.imread(path), drawn())


def test_a_process_killed_after_its_last_step_leaves_no_part_file(tmp_path, monkeypatch):
    path, unlink = tmp_path / 'labels.tif', Path.unlink
    with monkeypatch.context() as patch:
        patch.setattr(Path, 'unlink', lambda self, **_: self.suffix == '.part' or unlink(self, missing_ok=True))
        write(path, grid_of(), drawn())
    assert sorted(os.listdir(tmp_path)) == ['labels.tif', 'labels.tif.part']
    assert write(path, grid_of(), drawn()) == grid_of().count and os.listdir(tmp_path) == ['labels.tif']


def test_a_killed_process_has_kept_what_it_had_written(tmp_path):
    path, program = (
        tmp_path / 'labels.tif',
        (
            'import os, sys; from pathlib import Path; from tests.tiling.test_label_file import *\n'
            'with LabelFile(Path(sys.argv[1]), grid_of(), OF) as file:\n'
            '    for i, block in enumerate(blocks_of(grid_of(), drawn())):\n'
            '        os.kill(os.getpid(), 9) if i == 5 else file.write(block)\n'
        ),
    )
    assert subprocess.run([sys.executable, '-c', program, path]).returncode == -9
    assert write(path, grid_of(), drawn()) == 5
    np.testing.assert_array_equal(tifffile.imread(path), drawn())


@pytest.mark.parametrize(
    ('grid', 'of', 'named'),
    [
        (grid_of(), {**OF, 'checkpoint': '77aa'}, 'checkpoint: 1f3a, now 77aa'),
        (grid_of(), {'image': 'a.tif'}, 'checkpoint: 1f3a, now None'),
        (grid_of(size=ImageSize(101, 141)), OF, 'image size: 101 x 140, now 101 x 141'),
        (grid_of(overlap=0.2), OF, 'distance of tiles: 20 x 22, now 26 x 29; lanes: '),
        (grid_of(classes=5), OF, 'classes: 4, now 5'),
        (BlockGrid(SIZE, TILE, 0.4, 4), OF, r'\(lanes: \[0, .*\], now \[0\]\)'),
    ],
)
def test_the_progress_of_other_settings_is_refused(tmp_path, grid, of, named):
    path = tmp_path / 'labels.tif'
    write(path, grid_of(), drawn(), most=2)
    with pytest.raises(UserError, match=rf'labels.tif.progress.json is of .*{named}.*delete it and labels.tif.part'):
        write(path, grid, drawn(), of=of)
    assert write(path, grid_of(), drawn()) == 2, 'it can still go on'


def test_damaged_progress_is_refused_in_a_line(tmp_path):
    path = tmp_path / 'labels.tif'
    write(path, grid_of(), drawn(), most=2)
    part, progress = tmp_path / 'labels.tif.part', tmp_path / 'labels.tif.progress.json'
    kept = json.loads(progress.read_text())
    for text in ('{', '[]', '{}', json.dumps({**kept, 'next': [90, 0]}), json.dumps({**kept, 'next': 3})):
        progress.write_text(text)
        with pytest.raises(UserError, match=r'progress.json (cannot be read|does not fit).*to start over'):
            write(path, grid_of(), drawn())
    progress.write_text(json.dumps(kept))
    os.truncate(part, 100)
    with pytest.raises(UserError, match=r'which has 100 of 14140 bytes: delete it'):
        write(path, grid_of(), drawn())
    part.unlink()
    with pytest.raises(UserError, match='cannot be read'):
        write(path, grid_of(), drawn())


def test_labels_are_on_the_disk_before_the_progress_says_so(tmp_path, monkeypatch):
    """Else, after a power failure, the progress could name blocks that are not there."""
    events, flush, replace = [], os.fsync, os.replace
    monkeypatch.setattr(os, 'fsync', lambda file: events.append(os.readlink(f'/proc/self/fd/{file}')) or flush(file))
    monkeypatch.setattr(os, 'replace', lambda old, new: events.append(f'-> {new}') or replace(old, new))
    with LabelFile(tmp_path / 'labels.tif', grid_of(), OF) as file:
        events.clear()
        file.write(next(blocks_of(grid_of(), drawn())))
    part, progress = (f'{tmp_path}/labels.tif.{end}' for end in ('part', 'progress.json'))
    assert events.index(part) < events.index(f'-> {progress}')


def test_two_processes_do_not_write_the_same_file(tmp_path):
    other = pytest.raises(UserError, match=r'labels.tif.part is being written by another process')
    with LabelFile(tmp_path / 'labels.tif', grid_of(), OF), other:
        write(tmp_path / 'labels.tif', grid_of(), drawn())


def test_blocks_come_in_their_order(tmp_path):
    with LabelFile(tmp_path / 'labels.tif', grid_of(), OF) as file:
        first, second = list(blocks_of(grid_of(), drawn()))[:2]
        with pytest.raises(ValueError, match='is not the window of the next block'):
            file.write(second)
        file.write(first)
        with pytest.raises(ValueError, match=rf'1 of {grid_of().count} blocks are written'):
            file.finish()


def full_disk(*args, **kwargs):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize('place', ['_write_at', '_save_progress', '_read'])
def test_a_full_disk_says_what_is_kept_and_how_to_go_on(tmp_path, monkeypatch, place):
    path, grid, labels = tmp_path / 'labels.tif', grid_of(), drawn()
    write(path, grid, labels, most=3)
    done = grid.count if place == '_read' else 3
    with monkeypatch.context() as patch:
        patch.setattr(LabelFile, place, full_disk)
        with pytest.raises(UserError) as raised:
            write(path, grid, labels)
    assert str(raised.value) == (
        f'{path} cannot be written (No space left on device): {done} of {grid.count} blocks are kept in '
        'labels.tif.part; free some space and run the same command again to go on'
    )
    assert sorted(os.listdir(tmp_path)) == ['labels.tif.part', 'labels.tif.progress.json']
    assert write(path, grid, labels) == done
    np.testing.assert_array_equal(tifffile.imread(path), labels)


def test_room_is_taken_before_anything_is_predicted(tmp_path, monkeypatch):
    monkeypatch.setattr(os, 'posix_fallocate', full_disk)
    with pytest.raises(UserError, match=r'part cannot be written \(No space left on device\): it takes 0 MB, and '):
        write(tmp_path / 'labels.tif', grid_of(), drawn())
    assert not os.listdir(tmp_path)


def test_tifffile_is_asked_for_before_anything_is_predicted(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'tifffile', None)
    with pytest.raises(UserError, match='pip install tifffile'):
        write(tmp_path / 'labels.tif', grid_of(), drawn())


def test_from_4_gb_on_it_is_a_bigtiff(tmp_path, monkeypatch):
    monkeypatch.setattr(tiff_file, 'CLASSIC_TIFF_BYTES', SIZE.height * SIZE.width - 1)
    write(tmp_path / 'labels.tif', grid_of(), drawn())
    with tifffile.TiffFile(tmp_path / 'labels.tif') as tiff:
        assert tiff.is_bigtiff
        np.testing.assert_array_equal(tiff.asarray(), drawn())


def test_memory_does_not_grow_with_the_height(tmp_path, monkeypatch):
    """A row of tiles of the TIFF file, and the buffer of the compression."""

    def peak(height, name):
        grid = BlockGrid(ImageSize(height, 1000), ImageSize(64, 1000), 0, 2)
        labels = np.broadcast_to(np.uint8(1), grid.size)
        tracemalloc.start()
        write(tmp_path / name, grid, labels)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    monkeypatch.setattr(tiff_file, 'BUFFER_BYTES', 1 << 18)
    peak(1000, 'first.tif')  # imports
    short, tall = peak(2000, 'short.tif'), peak(8000, 'tall.tif')
    assert tall < short * 1.3 and tall < 4_000_000, (short, tall)


def test_the_tags_of_a_georeference_make_it_a_geotiff(tmp_path):
    rasterio = pytest.importorskip('rasterio')
    doubles = ((33550, (0.5, 0.5, 0.0)), (33922, (0.0, 0.0, 0.0, 500000.0, 5600000.0, 0.0)))
    keys = (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32633)
    tags = [(code, 12, len(value), value, True) for code, value in doubles] + [(34735, 3, len(keys), keys, True)]
    write(tmp_path / 'labels.tif', grid_of(), drawn(), tags=tags)
    with rasterio.open(tmp_path / 'labels.tif') as opened:
        assert opened.crs.to_epsg() == 32633
        assert tuple(opened.transform)[:6] == (0.5, 0, 500000, 0, -0.5, 5600000)
        np.testing.assert_array_equal(opened.read(1), drawn())


def test_a_finished_file_of_the_same_is_kept(tmp_path):
    path, labels = tmp_path / 'labels.tif', drawn()
    write(path, grid_of(), labels)
    before = path.read_bytes(), path.stat().st_mtime_ns
    with LabelFile(path, grid_of(), OF) as file:
        assert file.is_finished and file.done == file.grid.count and not list(blocks_of(file.grid, labels, file.next))
        file.finish()
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before and os.listdir(tmp_path) == ['labels.tif']
    assert write(path, grid_of(), labels, of={**OF, 'checkpoint': '77aa'}) == 0, 'of another checkpoint'
    assert write(path, grid_of(), labels) == 0
    path.write_bytes(path.read_bytes()[:50])
    assert write(path, grid_of(), labels) == 0, 'broken'
    np.testing.assert_array_equal(tifffile.imread(path), labels)


def test_labels_may_count_from_1(tmp_path):
    """With 255 classes, 255 is then a class, and the labels have 16 bits."""
    for classes, dtype in ((254, 'uint8'), (255, 'uint16')):
        labels = np.full(SIZE, classes - 1, np.uint16)
        grid, path = grid_of(classes), tmp_path / f'{classes}.tif'
        with LabelFile(path, grid, OF, first_label=1) as file:
            for block in blocks_of(grid, labels.astype(np.uint8)):
                file.write(block)
            file.finish()
        assert tifffile.imread(path).dtype == dtype and (tifffile.imread(path) == classes).all()
