"""Results of tiles in files: they go on where they were interrupted, keep what is written, and take little memory."""

import errno
import os
import sys
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
import torch

from convnext_dense.errors import BadImage, UserError
from convnext_dense.io.georeference import Georeference
from convnext_dense.io.image_size import ImageSize
from convnext_dense.io.windowed_image import WindowedImage
from convnext_dense.results import Panoptic
from convnext_dense.results.colors import palette
from convnext_dense.tasks import tiled_results
from convnext_dense.tasks.records import ClassInfo
from convnext_dense.tasks.tiled_results import TiledFile, TileProgress
from convnext_dense.tiling.blocks import BlockGrid, label_blocks
from convnext_dense.tiling.grid import tile_windows
from convnext_dense.tiling.segments import TileSegments, merge_segments

SIZE, TILE = ImageSize(150, 130), ImageSize(48, 40)
CLASSES = ClassInfo(['cat', 'dog', 'sky'], palette(3), [7, 8, 9], first_label=1, stuff=1)
DOUBLES = ((33550, (0.5, 0.5, 0.0)), (33922, (0.0, 0.0, 0.0, 500000.0, 5600000.0, 0.0)))
TAGS = tuple((code, 12, len(value), value, True) for code, value in DOUBLES)


class Tiled:
    """A model of tiles whose labels are the brightest bands of the image; it stops after some tiles."""

    def __init__(self, stop: BaseException | None = None, after: int = 10**6) -> None:
        self.model, self.stop, self.after = SimpleNamespace(), stop, after

    def count(self, size: ImageSize) -> int:
        return len(tile_windows(size, TILE, 0.25))

    def label_blocks(self, image, start=(0, 0), advance=None):
        grid = BlockGrid(image.size, TILE, 0.25, 3, budget=9_000)

        def predict(windows):
            self._count(len(windows), advance)
            return torch.stack([torch.from_numpy(image.read(w).astype(np.float32)) for w in windows]).movedim(-1, 1)

        return grid, label_blocks(grid, predict, 2, start)

    def segments(self, image, advance=None, out=None):
        """Things where the first two bands are bright, and stuff elsewhere."""

        def predict(windows):
            self._count(len(windows), advance)
            found = [image.read(window).argmax(-1).astype(np.int32) + 1 for window in windows]
            return [TileSegments(ids, {1: 0, 2: 1, 3: 2}) for ids in found]

        return merge_segments(image.size, TILE, 0.25, 2, predict, 2, out=out)

    def _count(self, count, advance):
        self.after -= count
        if self.stop is not None and self.after < 0:
            raise self.stop
        advance(count)


class Heard(TileProgress):
    def __init__(self):
        self.total, self.done, self.lines = 0, 0, []

    def start(self, total, done=0):
        self.total, self.done = total, done

    def advance(self, count):
        self.done += count

    def say(self, line):
        self.lines.append(line)


@pytest.fixture
def image() -> WindowedImage:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (15, 13, 3), dtype=np.uint8).repeat(10, 0).repeat(10, 1)
    found = WindowedImage.of(pixels, 'scene.tif')
    found.georeference = Georeference((0.5, 0, 500000, 0, -0.5, 5600000), None, TAGS)
    return found


def write(image, path, stop=None, after=10**6, of='1f3a'):
    heard = Heard()
    out = TiledFile(Path(path), {'weights': of})
    return tiled_results.write_label_map(Tiled(stop, after), image, CLASSES, heard, out), heard


def test_an_interrupted_label_map_goes_on_and_ends_in_the_same_bytes(image, tmp_path):
    result, heard = write(image, tmp_path / 'whole.tif')
    assert heard.done == heard.total > 20 and heard.lines == []
    assert np.array_equal(tifffile.imread(result.file), image.read().argmax(-1) + 1)
    path, runs = tmp_path / 'cut.tif', 0
    while not path.exists():
        runs += 1
        try:
            _, heard = write(image, path, KeyboardInterrupt(), after=12)
        except KeyboardInterrupt:
            assert sorted(os.listdir(tmp_path)) == ['cut.tif.part', 'cut.tif.progress.json', 'whole.tif']
        else:
            assert heard.lines[0].startswith('scene.tif: goes on after ') and heard.done == heard.total
    assert runs > 2 and path.read_bytes() == (tmp_path / 'whole.tif').read_bytes()
    with tifffile.TiffFile(path) as file:
        assert all(file.pages[0].tags[code].value == value for code, value in DOUBLES)
    _, heard = write(image, path)
    assert heard.lines == [f'{path} is there already, of the same image, weights and settings']
    assert heard.done == heard.total


def test_an_interruption_says_what_is_kept(image, tmp_path):
    heard, out = Heard(), TiledFile(tmp_path / 'a.tif', {})
    with pytest.raises(KeyboardInterrupt):
        tiled_results.write_label_map(Tiled(KeyboardInterrupt(), 14), image, CLASSES, heard, out)
    (line,) = heard.lines
    assert 'blocks are kept in' in line and line.startswith('scene.tif: interrupted, ') and ' 0 of' not in line


def test_other_weights_are_refused_and_a_full_disk_keeps_the_blocks(image, tmp_path, monkeypatch):
    path = tmp_path / 'a.tif'
    with pytest.raises(KeyboardInterrupt):
        write(image, path, KeyboardInterrupt(), 14)
    with pytest.raises(UserError, match=r'other settings .weights: 1f3a, now 77aa') as refused:
        write(image, path, of='77aa')
    assert not isinstance(refused.value, BadImage)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr('convnext_dense.tiling.label_file.LabelFile._write_at', full)
        with pytest.raises(UserError, match=r'No space left on device.*run the same command again to go on'):
            write(image, path)
    result, heard = write(image, path)
    assert len(heard.lines) == 1 and np.array_equal(tifffile.imread(result.file), image.read().argmax(-1) + 1)


def test_errors_of_the_image_are_told_from_those_of_the_disk(image, tmp_path):
    broken = UserError('bad image scene.tif (the file is truncated)')
    with pytest.raises(BadImage, match='truncated'):
        write(image, tmp_path / 'a.tif', broken, 14)
    with pytest.raises(BadImage, match='truncated'):
        tiled_results.segment(Tiled(broken, 14), image, CLASSES, TileProgress())
    with pytest.raises(BadImage, match='truncated'):
        tiled_results.find_segments(Tiled(broken, 14), image, CLASSES, TileProgress())


def test_in_memory_it_is_the_same(image, tmp_path):
    heard = Heard()
    result = tiled_results.segment(Tiled(), image, CLASSES, heard)
    in_file, _ = write(image, tmp_path / 'a.tif')
    assert heard.done == heard.total and result.as_json() == in_file.as_json()
    assert np.array_equal(result.labels + 1, tifffile.imread(in_file.file))


def test_segments_are_written_as_colors(image, tmp_path):
    heard, path = Heard(), tmp_path / 'a_panoptic.tif'
    result = tiled_results.write_segments(Tiled(), image, CLASSES, heard, TiledFile(path, {}))
    expected = tiled_results.find_segments(Tiled(), image, CLASSES, TileProgress())
    assert isinstance(result, Panoptic) and heard.done == heard.total == Tiled().count(SIZE)
    assert result.as_json() == expected.as_json() and np.array_equal(result.ids, expected.ids)
    found = tifffile.imread(path).astype(int) @ np.array([1, 256, 65536])
    assert np.array_equal(found, expected.ids) and os.listdir(tmp_path) == ['a_panoptic.tif']
    with tifffile.TiffFile(path) as file:
        assert all(file.pages[0].tags[code].value == value for code, value in DOUBLES)


def test_segments_need_room_before_anything_is_predicted(image, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, 'posix_fallocate', full)
    with pytest.raises(UserError, match=r'a.tif cannot be written \(No space left on device\)'):
        tiled_results.write_segments(None, image, CLASSES, TileProgress(), TiledFile(tmp_path / 'a.tif', {}))
    assert not os.listdir(tmp_path)


def test_tifffile_is_asked_for_before_anything_is_predicted(image, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'tifffile', None)
    with pytest.raises(UserError, match='pip install tifffile'):
        tiled_results.write_segments(None, image, CLASSES, TileProgress(), TiledFile(tmp_path / 'a.tif', {}))
    with pytest.raises(UserError, match='pip install tifffile'):
        write(image, tmp_path / 'a.tif', RuntimeError('predicted'), after=0)
    assert not os.listdir(tmp_path)


def test_memory_does_not_grow_with_the_image(tmp_path, monkeypatch):
    """Of a label map, up to its counts; what is kept of decoded and compressed tiles has a limit."""
    monkeypatch.setattr('convnext_dense.io.rasters.tiff.KEPT_BYTES', 1 << 16)
    monkeypatch.setattr('convnext_dense.io.tiff_file.BUFFER_BYTES', 1 << 16)

    def peak(height):
        source = tmp_path / f'{height}.tif'
        tifffile.imwrite(source, np.broadcast_to(np.uint8([1, 9, 2]), (height, 80, 3)), tile=(64, 64), compression=8)
        tracemalloc.start()
        with WindowedImage.open(source) as image:
            result, _ = write(image, tmp_path / f'{height}_labels.tif')
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert result.counts.tolist() == [0, height * 80, 0]
        return most

    peak(100)
    small, large = peak(600), peak(2400)
    assert large < 1.3 * small < 2_000_000
