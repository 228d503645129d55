"""Detections across seams: the same instances as in the whole image, in time that follows their number."""

import time

import numpy as np
import pytest
import torch
from torchvision.ops import batched_nms, box_iou

from convnext_dense.io.image_size import ImageSize
from convnext_dense.io.window import Window
from convnext_dense.tiling.objects import Objects, merge_tiles, merge_with_whole
from tests.helpers.tile_scenes import Scene, in_order

SIZES = [(96, 96), (33, 150), (101, 67), (97, 64), (50, 40)]
OVERLAPS = [0, 0.2, 1 / 3, 0.5]


def objects(boxes, scores=None, labels=None, cut=None):
    count = len(boxes)
    return Objects(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(scores if scores is not None else [0.5] * count, np.float32),
        np.array(labels if labels is not None else [0] * count, np.int64),
        np.array(cut if cut is not None else [False] * count, bool),
    )


@pytest.mark.parametrize('tile', [(40, 48), (640, 640)])
@pytest.mark.parametrize('overlap', OVERLAPS)
@pytest.mark.parametrize('size', SIZES)
def test_tiles_give_the_objects_of_the_whole(size, overlap, tile):
    scene = Scene(size)
    for with_masks in (True, False):
        merged = merge_tiles(*scene.tiles(tile, overlap, with_masks), scene.size)
        assert in_order(merged.boxes, merged.labels) == in_order(scene.boxes, scene.labels)
        if with_masks:
            masks = np.array([mask.full(scene.size) for mask in merged.masks])
            for box, mask in zip(merged.boxes.tolist(), masks, strict=True):
                np.testing.assert_array_equal(mask, scene.masks[scene.boxes.tolist().index(box)])


def test_an_object_that_another_tile_sees_whole_is_not_taken_in_part():
    """At an overlap of 0.5, tiles 0 to 32 and 16 to 48: the first sees the left half of the object from 20 to 44."""
    size, windows = ImageSize(32, 48), [Window(0, 0, 32, 32), Window(0, 16, 32, 32)]
    half = Objects.of_tile(windows[0], size, [[20, 5, 32, 15]], [0.99], [1])
    whole = Objects.of_tile(windows[1], size, [[5, 4, 28, 16]], [0.6], [1])
    for method in ('match', 'nms'):
        merged = merge_tiles([half, whole], windows, size, method)
        assert in_order(merged.boxes, merged.labels) == [(21, 4, 44, 16, 1)] and merged.scores == np.float32(0.6)
    other = Objects.of_tile(windows[1], size, [[5, 4, 28, 16]], [0.6], [0])
    assert len(merge_tiles([half, other], windows, size)) == 2, 'another class'
    size, windows = ImageSize(32, 96), [Window(0, 0, 32, 64), Window(0, 32, 32, 64)]
    half = Objects.of_tile(windows[0], size, [[20, 5, 64, 15]], [0.99], [1])
    short = Objects.of_tile(windows[1], size, [[8, 4, 20, 16]], [0.6], [1])
    assert len(merge_tiles([half, short], windows, size, threshold=0.2)) == 2, 'it ends before the edge that cuts half'


def test_objects_of_one_tile_stay_as_the_network_gives_them():
    """Also those that NMS would drop, as networks without NMS give them."""
    size, window = ImageSize(64, 64), Window(0, 0, 64, 64)
    alone = Objects.of_tile(window, size, [[5, 5, 20, 20], [5, 5, 20, 21]], [0.3, 0.9], [0, 0])
    for method in ('match', 'nms'):
        merged = merge_tiles([alone], [window], size, method)
        np.testing.assert_array_equal(merged.boxes, alone.boxes)
    windows = [Window(0, 0, 64, 40), Window(0, 24, 64, 40)]
    first, second = (Objects.of_tile(w, size, alone.boxes, alone.scores, alone.labels) for w in windows)
    assert len(merge_tiles([first, second], windows, size)) == 4
    assert len(merge_tiles([first, second], windows, size, 'nms')) == 2


def test_of_duplicates_the_best_stays():
    size, windows = ImageSize(64, 100), [Window(0, 0, 64, 64), Window(0, 36, 64, 64)]
    first = Objects.of_tile(windows[0], size, [[40, 5, 58, 20]], [0.5], [0])
    second = Objects.of_tile(windows[1], size, [[5, 6, 23, 20]], [0.7], [0])
    for method in ('match', 'nms'):
        merged = merge_tiles([first, second], windows, size, method)
        assert in_order(merged.boxes, merged.labels) == [(41, 6, 59, 20, 0)] and merged.scores == np.float32(0.7)


@pytest.mark.parametrize('threshold', [0.3, 0.5, 0.9])
def test_nms_is_that_of_torchvision_on_all_boxes(threshold, monkeypatch):
    monkeypatch.setattr('convnext_dense.tiling.objects.NMS_BOXES', 20)
    rng, size = np.random.default_rng(1), ImageSize(300, 300)
    corners = rng.uniform(10, 250, (600, 2))
    boxes = np.hstack([corners, corners + rng.uniform(10, 40, (600, 2))]).astype(np.float32)
    scores, labels = rng.uniform(size=600).astype(np.float32), rng.integers(0, 3, 600)
    whole = Window.whole(size)
    halves = [Objects.of_tile(whole, size, boxes[k::2], scores[k::2], labels[k::2]) for k in (0, 1)]
    merged = merge_tiles(halves, [whole, whole], size, 'nms', threshold)
    kept = batched_nms(*map(torch.from_numpy, (boxes, scores, labels)), threshold).numpy()
    np.testing.assert_array_equal(merged.scores, scores[kept])
    np.testing.assert_array_equal(merged.boxes, boxes[kept])


@pytest.mark.parametrize('overlap', OVERLAPS)
def test_a_network_that_is_off_by_a_pixel_gives_the_same_instances(overlap):
    scene = Scene((150, 170), cell=30)
    for seed in range(5):
        tiles, windows = scene.tiles((48, 48), overlap, with_masks=False, noise=np.random.default_rng(seed))
        merged = merge_tiles(tiles, windows, scene.size)
        assert len(merged) == len(scene.boxes)
        for box, label in zip(merged.boxes, merged.labels, strict=True):
            true = scene.boxes[scene.labels == label]
            assert box_iou(torch.tensor(true), torch.tensor(box[None])).max() > 0.7


def test_nothing_is_found_anywhere():
    scene = Scene((96, 96))
    tiles, windows = scene.tiles((48, 48), 0.2)
    none = [one[np.zeros(len(one), bool)] for one in tiles]
    for method in ('match', 'nms'):
        assert len(merge_tiles(none, windows, scene.size, method)) == 0
        assert len(merge_tiles([tiles[0], *none[1:]], windows, scene.size, method)) == len(tiles[0])
    assert len(merge_with_whole(none[0], none[0], 10)) == 0


def test_the_whole_image_gives_the_large_objects():
    tiles = objects([[0, 0, 10, 10], [50, 0, 90, 40], [100, 0, 160, 50]], [0.5, 0.6, 0.7], cut=[False, True, False])
    whole = objects([[0, 0, 10, 10], [40, 0, 120, 60], [101, 0, 160, 50], [0, 80, 90, 160]], [0.9, 0.3, 0.9, 0.4])
    merged = merge_with_whole(tiles, whole, larger_than=20)
    assert in_order(merged.boxes, merged.scores.round(2)) == in_order(
        [[0, 0, 10, 10], [40, 0, 120, 60], [100, 0, 160, 50], [0, 80, 90, 160]], np.float32([0.5, 0.3, 0.7, 0.4])
    ), 'small: the tiles; cut: the whole; seen whole by a tile: that tile; missed by the tiles: the whole'
    assert (np.diff(merged.scores) <= 0).all()
    assert len(merge_with_whole(tiles, whole, larger_than=1000)) == 3
    other = objects(whole.boxes, whole.scores, labels=[1] * 4)
    assert len(merge_with_whole(tiles, other, larger_than=20)) == 6, 'objects of other classes are others'


def test_the_whole_image_gives_the_masks_of_large_objects():
    scene = Scene((90, 90), cell=88)
    tiles, _ = scene.tiles((40, 40), 0.2)
    whole = scene.seen_in(Window.whole(scene.size))
    part = tiles[0]
    assert part.cut.all() and not whole.cut.any()
    merged = merge_with_whole(part, whole, larger_than=8)
    assert len(merged) == len(whole) == 1
    np.testing.assert_array_equal(merged.masks[0].full(scene.size), scene.masks[0])


@pytest.mark.parametrize('method', ['match', 'nms'])
def test_100_000_objects_take_seconds(method):
    """torchvision's NMS of all of them at once compares 5,000,000,000 pairs: half a minute."""
    rng, size = np.random.default_rng(0), ImageSize(50_000, 50_000)
    windows = [Window(top, left, 640, 640) for top in range(0, 49_000, 512) for left in range(0, 49_000, 512)]
    tiles = []
    for window in windows:
        corners = rng.uniform(0, 560, (11, 2))
        boxes = np.hstack([corners, corners + rng.uniform(10, 80, (11, 2))])
        tiles.append(Objects.of_tile(window, size, boxes, rng.uniform(size=11), np.zeros(11)))
    assert sum(map(len, tiles)) > 100_000
    start = time.process_time()
    merged = merge_tiles(tiles, windows, size, method)
    assert time.process_time() - start < 15
    assert 80_000 < len(merged) < 102_000


@pytest.mark.parametrize(
    ('change', 'kept'),
    [
        ({}, 1),
        ({'label': 1}, 2),
        ({'score': 0.3}, 2),
        ({'whole': (44, 8, 59, 40)}, 2),
        ({'left': 20, 'part': (30, 12, 44, 30), 'whole': (28, 10, 74, 34)}, 2),
        ({'left': 48}, 2),
    ],
    ids=['a part', 'another class', 'unsure of it', 'before the edge', 'far from the edge', 'beyond the other tile'],
)
def test_a_box_that_ends_before_the_edge_is_that_of_a_part(change, kept):
    """An object up to column 74, of which the tile that ends at 64 finds a box up to 58."""
    case = {'label': 0, 'score': 0.6, 'whole': (44, 10, 74, 34), 'part': (46, 12, 58, 30), 'left': 40, **change}
    windows = [Window(0, 0, 64, 64), Window(0, case['left'], 64, 64)]
    tiles = [objects([case['part']], [0.9]), objects([case['whole']], [case['score']], [case['label']])]
    assert len(merge_tiles(tiles, windows, ImageSize(64, 128))) == kept
