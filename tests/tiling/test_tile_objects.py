"""Detections of a tile in pixels of the image, with cropped masks."""

import numpy as np

from convnext_dense.io.image_size import ImageSize
from convnext_dense.io.window import Window
from convnext_dense.tiling.tile_objects import MaskCrop, Objects

SIZE, WINDOW = ImageSize(200, 300), Window(100, 40, 100, 80)


def test_boxes_and_masks_are_moved():
    masks = np.zeros((2, 100, 80), bool)
    masks[0, 20:30, 5:25] = masks[1, 50, 70] = True
    objects = Objects.of_tile(WINDOW, SIZE, np.array([[5, 20, 25, 30.5], [69, 49, 72, 52]]), [0.5, 0.7], [3, 1], masks)
    assert objects.boxes.tolist() == [[45, 120, 65, 130.5], [109, 149, 112, 152]] and objects.boxes.dtype == np.float32
    assert (objects.scores.dtype, objects.labels.tolist()) == (np.float32, [3, 1])
    assert [(m.top, m.left, m.pixels.shape) for m in objects.masks] == [(120, 45, (10, 20)), (150, 110, (1, 1))]
    for mask, crop in zip(masks, objects.masks, strict=True):
        full = np.zeros(SIZE, bool)
        full[WINDOW.slices] = mask
        np.testing.assert_array_equal(crop.full(SIZE), full)


def test_only_what_ends_at_an_edge_inside_the_image_is_cut():
    boxes = np.array([[4, 50, 30, 60], [5, 50, 30, 60], [50, 50, 76, 60], [50, 4, 60, 20], [50, 80, 60, 100]])
    cut = Objects.of_tile(WINDOW, SIZE, boxes, np.ones(5), np.zeros(5)).cut
    assert cut.tolist() == [True, False, True, True, False], 'the last one ends with the image'
    assert not Objects.of_tile(Window.whole(SIZE), SIZE, [[0, 0, 300, 200]], [1], [0]).cut.any()


def test_masks_of_no_pixels():
    objects = Objects.of_tile(WINDOW, SIZE, [[5, 5, 9, 9]], [0.5], [0], np.zeros((1, 100, 80), bool))
    assert not objects.masks[0].full(SIZE).any() and objects.masks[0].common(objects.masks[0]) == 0
    none = Objects.of_tile(WINDOW, SIZE, np.zeros((0, 4)), [], [], np.zeros((0, 100, 80), bool))
    assert len(none) == 0 and none.boxes.shape == (0, 4) and none.masks == []


def test_pixels_in_common():
    first, second = np.zeros((2, 40, 40), bool)
    first[5:20, 5:20], second[10:30, 15:35] = True, True
    assert MaskCrop.of(first).common(MaskCrop.of(second)) == 10 * 5
    assert MaskCrop.of(first, 100, 0).common(MaskCrop.of(second)) == 0


def test_objects_are_chosen_and_joined_with_their_masks():
    masks = np.eye(3, dtype=bool)[:, None]
    objects = Objects.of_tile(Window(0, 0, 1, 3), ImageSize(1, 3), np.zeros((3, 4)), [1, 2, 3], [0, 1, 2], masks)
    chosen = objects[np.array([True, False, True])]
    assert chosen.labels.tolist() == [0, 2] and [m.left for m in chosen.masks] == [0, 2]
    joined = Objects.concatenate([chosen, objects[np.array([1])]])
    assert joined.scores.tolist() == [1, 3, 2] and [m.left for m in joined.masks] == [0, 2, 1]
