"""Panoptic tiles: the segments of the whole image, with the seams in the middle of the overlaps."""

import numpy as np
import pytest

from convnext_dense.errors import UserError
from convnext_dense.io.image_size import ImageSize
from convnext_dense.tiling import segments
from convnext_dense.tiling.grid import TileAxis
from convnext_dense.tiling.segments import TileSegments, merge_segments
from tests.helpers.tile_scenes import Scene

TILE = ImageSize(40, 48)


def truth(size, cell=24):
    """Ids and classes of a scene: three classes of things, two of stuff in regions of several pieces, and void."""
    scene = Scene(size, cell)
    rows, columns = np.mgrid[: size[0], : size[1]]
    ids = np.where((rows // 17 + columns // 30) % 2, 1001, 1002).astype(np.int32)
    ids[5:9, 3:30] = 0
    for k, mask in enumerate(scene.masks, 1):
        ids[mask] = k
    return ids, {1001: 3, 1002: 4, **dict(enumerate(scene.labels.tolist(), 1))}


def seen(ids, labels, windows):
    """A perfect network, which gives the segments of each tile ids of its own."""
    tiles = []
    for window in windows:
        found, places = np.unique(ids[window.slices], return_inverse=True)
        own = np.where(found == 0, 0, 7 * np.arange(len(found), 0, -1))
        classes = {int(new): labels[int(old)] for new, old in zip(own, found, strict=True) if old}
        tiles.append(TileSegments(own[places].reshape(window.size), classes))
    return tiles


def merged(ids, labels, overlap, tile=TILE, **options):
    return merge_segments(
        ImageSize(*ids.shape), tile, overlap, 3, lambda windows: seen(ids, labels, windows), **options
    )


def assert_same_segments(result, ids, labels):
    pairs = np.unique(np.stack([result.ids.ravel(), ids.ravel()]), axis=1).T.tolist()
    assert len(pairs) == len(np.unique(ids)) == len(np.unique(result.ids)), 'not one to one'
    assert {old: result.labels[new] for new, old in pairs if new} == {
        old: labels[old] for old in np.unique(ids).tolist() if old
    }
    assert [new for new, old in pairs if not old] == ([0] if (ids == 0).any() else [])
    assert sorted(result.labels) == [*range(1, len(result.labels) + 1)]


@pytest.mark.parametrize('overlap', [0, 0.2, 1 / 3, 0.5])
@pytest.mark.parametrize('size', [(96, 96), (33, 150), (101, 67), (80, 48), (30, 20)])
def test_tiles_give_the_segments_of_the_whole(size, overlap, monkeypatch):
    monkeypatch.setattr(segments, 'ROWS', 7)
    ids, labels = truth(size)
    for options in ({}, {'batch': 3}, {'tile': ImageSize(640, 640)}, {'out': np.full(size, -5, np.int32)}):
        result = merged(ids, labels, overlap, **options)
        assert result.ids.dtype == np.int32
        assert_same_segments(result, ids, labels)


def test_things_larger_than_a_tile_are_one():
    ids, labels = truth((150, 170), cell=80)
    for overlap in (0, 0.3):
        assert_same_segments(merged(ids, labels, overlap, ImageSize(32, 36)), ids, labels)


def test_the_pixels_beyond_the_middle_are_of_the_nearer_tile():
    size = ImageSize(60, 100)

    def predict(windows):
        """Stuff of a class for each tile."""
        numbers = {(0, 0): 3, (0, 32): 4, (0, 52): 5, (20, 0): 6, (20, 32): 7, (20, 52): 8}
        return [TileSegments(np.ones(w.size, int), {1: numbers[w.top, w.left]}) for w in windows]

    result = merge_segments(size, TILE, 0.25, 3, predict)
    rows, columns = TileAxis(60, 40, 0.25), TileAxis(100, 48, 0.25)
    assert (rows.starts, columns.starts) == ([0, 20], [0, 32, 52])
    expected = np.zeros(size, int)
    for i, (top, bottom) in enumerate([(0, 30), (30, 60)]):
        for j, (left, right) in enumerate([(0, 40), (40, 66), (66, 100)]):
            expected[top:bottom, left:right] = 3 + 3 * i + j
    np.testing.assert_array_equal(np.vectorize(result.labels.get)(result.ids), expected)


def test_neighbors_in_the_overlap_are_not_joined():
    """Two things that touch along the seam, and one of another class in the same place."""
    size, ids = ImageSize(40, 80), np.zeros((40, 80), np.int32)
    ids[:20, 10:70], ids[20:, 10:70] = 1, 2
    labels = {1: 0, 2: 0}
    for overlap in (0, 0.3):
        assert_same_segments(merged(ids, labels, overlap), ids, labels)

    def another_class(windows):
        return [TileSegments(ids[w.slices], {1: 1 if w.left else 0, 2: 0}) for w in windows]

    result = merge_segments(size, TILE, 0.3, 3, another_class)
    assert sorted(result.labels.values()) == [0, 0, 1]


@pytest.mark.parametrize(('shift', 'joined'), [(0, True), (4, True), (12, False)])
def test_parts_are_joined_from_half_of_the_smaller_one_on(shift, joined):
    """Two bars of 16 rows, in the right tile so many rows further down."""

    def predict(windows):
        tiles = []
        for window in windows:
            ids = np.zeros(window.size, int)
            top = 10 + (shift if window.left else 0)
            ids[top : top + 16] = 5
            tiles.append(TileSegments(ids, {5: 2}))
        return tiles

    for overlap in (0, 0.4):
        result = merge_segments(ImageSize(40, 80), TILE, overlap, 3, predict)
        assert len(result.labels) == (1 if joined else 2)


def test_nothing_is_found():
    result = merged(np.zeros((90, 90), np.int32), {}, 0.2)
    assert not result.labels and not result.ids.any()
    with pytest.raises(UserError, match='smaller than the stride'):
        merged(np.zeros((90, 90), np.int32), {}, 0.2, ImageSize(16, 64))
