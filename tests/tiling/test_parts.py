"""Parts of objects that seams cut: joined over many tiles, and told from neighbors."""

import numpy as np
import pytest

from convnext_dense.io.image_size import ImageSize
from convnext_dense.io.window import Window
from convnext_dense.tiling.objects import merge_tiles
from convnext_dense.tiling.parts import join_parts
from convnext_dense.tiling.tile_objects import Objects
from tests.helpers.tile_scenes import Scene, in_order


@pytest.mark.parametrize('overlap', [0.2, 0.5])
def test_objects_larger_than_a_tile_are_joined_from_many(overlap):
    scene = Scene((150, 170), cell=80)
    assert (scene.boxes[:, 2:] - scene.boxes[:, :2]).max() > 60
    for with_masks in (True, False):
        tiles, windows = scene.tiles((32, 36), overlap, with_masks)
        merged = merge_tiles(tiles, windows, scene.size)
        assert max(map(len, tiles)) and in_order(merged.boxes, merged.labels) == in_order(scene.boxes, scene.labels)


def test_a_box_of_a_crowd_has_one_partner_in_the_next_tile():
    """A large and a small object that both tiles cut, the small one in the box of the large one."""
    size, windows = ImageSize(64, 100), [Window(0, 0, 64, 64), Window(0, 36, 64, 64)]
    first = Objects.of_tile(windows[0], size, [[20, 5, 64, 60], [30, 30, 64, 40]], [0.9, 0.8], [0, 0])
    second = Objects.of_tile(windows[1], size, [[0, 5, 60, 60], [0, 30, 50, 40]], [0.7, 0.6], [0, 0])
    merged = merge_tiles([first, second], windows, size)
    assert in_order(merged.boxes, merged.labels) == [(20, 5, 96, 60, 0), (30, 30, 86, 40, 0)]
    assert merged.scores.tolist() == np.float32([0.9, 0.8]).tolist() and merged.cut.all()


def test_a_mask_may_come_to_a_seam_twice():
    """A U, open to the left, of which the left tile sees two arms."""
    size = ImageSize(64, 100)
    mask = np.zeros((1, *size), bool)
    mask[0, 10:20, 5:90] = mask[0, 40:50, 5:90] = mask[0, 10:50, 80:90] = True
    for left in (36, 64):  # with overlap, and without
        windows = [Window(0, 0, 64, 64), Window(0, left, 64, 100 - left)]
        arms = np.zeros((2, 64, 64), bool)
        arms[0, 10:20, 5:], arms[1, 40:50, 5:] = True, True
        tiles = [
            Objects.of_tile(windows[0], size, [[5, 10, 64, 20], [5, 40, 64, 50]], [0.5, 0.6], [0, 0], arms),
            Objects.of_tile(windows[1], size, [[0, 10, 90 - left, 50]], [0.4], [0], mask[:, :, left:]),
        ]
        merged = merge_tiles(tiles, windows, size)
        assert in_order(merged.boxes, merged.labels) == [(5, 10, 90, 50, 0)]
        np.testing.assert_array_equal(merged.masks[0].full(size), mask[0])


def test_a_road_is_joined_and_a_crowd_is_not():
    """The parts of the road have a fifth of a tile in common, two people in one tile almost a third of their boxes."""
    size, windows = ImageSize(640, 1500), [Window(0, left, 640, 640) for left in (0, 512, 860)]
    crowd = [[100, 300, 140, 380], [128, 300, 168, 380]]
    boxes = [[[10, 100, 640, 140], *crowd], [[0, 100, 640, 140]], [[0, 100, 630, 140]]]
    tiles = [Objects.of_tile(w, size, b, [0.5] * len(b), [0] * len(b)) for w, b in zip(windows, boxes, strict=True)]
    merged = merge_tiles(tiles, windows, size)
    assert in_order(merged.boxes, merged.labels) == sorted([(10, 100, 1490, 140, 0), *((*b, 0) for b in crowd)])


@pytest.mark.parametrize(('down', 'joined'), [(0, True), (9, True), (11, False)])
@pytest.mark.parametrize('overlap', [0, 10])
@pytest.mark.parametrize('turned', [False, True])
def test_parts_are_joined_from_half_of_the_smaller_one_on(down, joined, overlap, turned):
    """Bars of 20 and of 30 rows, the second so many rows further up; and the same with rows and columns exchanged."""
    size, windows = ImageSize(100, 90 - overlap), [Window(0, 0, 100, 45), Window(0, 45 - overlap, 100, 45)]
    boxes = [[5, 40, 45, 60], [0, 30 - down, 40, 60 - down]]
    masks = np.zeros((2, 100, 45), bool)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes, strict=True):
        mask[y1:y2, x1:x2] = True
    if turned:
        size, windows = size.transposed, [Window(w.left, w.top, w.width, w.height) for w in windows]
        boxes, masks = [[y1, x1, y2, x2] for x1, y1, x2, y2 in boxes], masks.transpose(0, 2, 1)
    for with_masks in (True, False):
        tiles = [
            Objects.of_tile(window, size, [box], [0.5], [0], mask[None] if with_masks else None)
            for window, box, mask in zip(windows, boxes, masks, strict=True)
        ]
        assert all(one.cut.all() for one in tiles)
        parts = join_parts(Objects.concatenate(tiles), np.arange(2), np.array(windows), size, 0.5)
        assert len(parts) == (1 if joined else 2)
