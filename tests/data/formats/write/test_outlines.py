"""Outlines of masks, against drawing them again with COCO's tools."""

import cv2
import numpy as np
import pytest
from pycocotools import mask as rle

from convnext_dense.data.formats.write import outlines
from convnext_dense.data.formats.write.outlines import as_ring, as_segmentation, clip_ring, cut_open, trace
from convnext_dense.io.image_size import ImageSize
from tests.helpers.drawn_truth import decode
from tests.helpers.labeled import SIZE, draw, iou, ring_and_island, rle_of


def drawn_again(parts, size) -> np.ndarray:
    found = np.zeros(size, bool)
    for part in parts:
        own = draw(part.outline, size)
        for hole in part.holes:
            own &= ~draw(hole, size)
        found |= own
    return found


def blobs(seed: int, noise: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mask = np.zeros(rng.integers(8, 90, 2), np.uint8)
    for _ in range(rng.integers(1, 6)):
        center, axes = rng.integers(0, mask.shape[::-1]), rng.integers(1, 20, 2)
        inside = int(rng.random() < 0.75)
        cv2.ellipse(mask, center.tolist(), axes.tolist(), float(rng.integers(180)), 0, 360, inside, -1)
    return (mask ^ (rng.random(mask.shape) < noise)).astype(bool)


@pytest.mark.parametrize('noise', [0, 0.03, 0.5])
def test_every_corner_gives_the_same_pixels(monkeypatch, noise):
    monkeypatch.setattr(outlines, 'TOLERANCES', ())
    for seed in range(40):
        mask = blobs(seed, noise)
        size = ImageSize.of(mask)
        assert np.array_equal(drawn_again(trace(mask), size), mask)
        if mask.any():
            assert np.array_equal(draw(as_ring(rle_of(mask), size)[0], size), mask)
            assert np.array_equal(decode(as_segmentation(mask), *size), mask)


@pytest.mark.parametrize('noise', [0, 0.03])
def test_fewer_points_give_nearly_the_same_pixels(noise):
    for seed in range(40):
        mask = blobs(seed, noise)
        if mask.any():
            assert iou(drawn_again(trace(mask), mask.shape), mask) >= 0.997


def test_a_large_disk_has_few_points():
    rows, columns = np.mgrid[:400, :400]
    mask = (rows - 200) ** 2 + (columns - 200) ** 2 < 150**2
    (part,) = trace(mask)
    assert len(part.outline) < 200 < 600 < cv2.findContours(mask.view(np.uint8), 0, 1)[0][0].size
    assert iou(draw(part.outline, mask.shape), mask) >= 0.997


def test_a_rectangle_has_its_four_corners_along_the_edges_of_pixels():
    mask = np.zeros((6, 9), bool)
    mask[1:3, 2:7] = True
    (part,) = trace(mask)
    corners = set(zip(part.outline[::2], part.outline[1::2], strict=True))
    assert corners == {(2, 1), (7, 1), (2, 3), (7, 3)} and len(part.outline) == 8 and not part.holes
    assert trace(np.zeros((6, 9), bool)) == []


def test_parts_and_holes_are_told_apart_and_joined():
    mask = ring_and_island()
    parts = sorted(trace(mask), key=lambda part: len(part.holes))
    assert [len(part.holes) for part in parts] == [0, 1]
    assert np.array_equal(
        draw(cut_open(parts[1]), SIZE), draw(parts[1].outline, SIZE) & ~draw(parts[1].holes[0], SIZE)
    )
    assert np.array_equal(draw(as_ring(rle_of(mask), SIZE)[0], SIZE), mask)
    assert isinstance(as_segmentation(mask), dict)  # COCO's polygons have no holes
    island = mask.copy()
    island[:28] = False
    assert as_segmentation(island | np.roll(island, -25, axis=1)) != as_segmentation(island)
    assert len(as_segmentation(island | np.roll(island, -25, axis=1))) == 2


def test_polygons_that_overlap_are_united_before_they_are_joined():
    polygons = [[5, 5, 25, 5, 25, 25, 5, 25], [15, 15, 35, 15, 35, 35, 15, 35]]
    expected = rle.decode(rle.merge(rle.frPyObjects(polygons, *SIZE))).astype(bool)
    assert np.array_equal(draw(as_ring(polygons, SIZE)[0], SIZE), expected)
    apart = [[5, 5, 15, 5, 15, 15, 5, 15], [30, 20, 40, 20, 40, 30, 30, 30]]
    assert np.array_equal(draw(as_ring(apart, SIZE)[0], SIZE), decode(apart, *SIZE))
    assert len(as_ring(apart, SIZE)[0]) == 2 * (4 + 5 + 1)  # the line leads there and back


@pytest.mark.parametrize('ring', [[-10, 5, 30, 5, 30, 60, -10, 60], [50, -5, 70, 20, 50, 45], [5, 5, 9, 5, 9, 9]])
def test_a_polygon_is_clipped_to_the_image(ring):
    big = ImageSize(120, 140)
    moved = (np.reshape(ring, (-1, 2)) + 40).ravel().tolist()
    expected = decode([moved], *big)[40:80, 40:100]
    clipped = clip_ring(ring, SIZE)
    points = np.reshape(clipped, (-1, 2))
    assert (points >= 0).all() and (points <= (60, 40)).all()
    assert iou(draw(clipped, SIZE), expected) >= 0.99
    assert clip_ring([100, 100, 110, 100, 105, 110], SIZE) == []
