"""Weighted logits of tiles: the labels of the direct definition, in memory that does not grow with the image."""

import itertools

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from convnext_dense.io.image_size import ImageSize
from convnext_dense.tiling.blocks import BlockGrid, label_blocks, label_dtype, tile_weights
from convnext_dense.tiling.grid import TileAxis, tile_windows

TILE = ImageSize(32, 36)
SIZES = [(32, 36), (64, 72), (33, 37), (75, 91), (65, 150), (20, 90), (90, 20), (11, 13)]
OVERLAPS = [0, 0.2, 1 / 3, 0.5]


def random_logits(windows, classes=4):
    """Logits that depend on the tile as well as on the pixel, so that a wrong weight shows."""
    return torch.stack(
        [
            torch.randn(classes, *window.size, generator=torch.Generator().manual_seed(hash(tuple(window)) % 2**31))
            for window in windows
        ]
    )


def labels_of(size, grid, blocks):
    labels = np.full(size, 77, label_dtype(grid.classes))
    for block in blocks:
        assert block.labels.dtype == labels.dtype and (labels[block.window.slices] == 77).all()
        labels[block.window.slices] = block.labels
    return labels


def ramp(position, length, before, after):
    """The weight by its definition: a line from an edge to the end of the overlap with the neighbor there."""
    left = (position + 0.5) / before if before else 1
    right = (length - position - 0.5) / after if after else 1
    return min(1, left, right)


def direct_labels(size, tile, overlap, predict):
    """The definition, with the sums of the whole image in float64."""
    windows = tile_windows(size, tile, overlap)
    sums = 0
    for window in windows:
        weights = []
        for start, length, starts in (
            (window.top, window.height, sorted({w.top for w in windows})),
            (window.left, window.width, sorted({w.left for w in windows})),
        ):
            i = starts.index(start)
            before = starts[i - 1] + length - start if i else 0
            after = start + length - starts[i + 1] if i + 1 < len(starts) else 0
            weights.append([ramp(x, length, before, after) for x in range(length)])
        logits = np.zeros((4, *size))
        logits[(slice(None), *window.slices)] = predict([window])[0].double() * np.outer(*weights)
        sums = sums + logits
    return sums.argmax(0)


@pytest.mark.parametrize('overlap', OVERLAPS)
@pytest.mark.parametrize('size', SIZES)
def test_labels_are_those_of_the_definition_however_the_image_is_walked(size, overlap):
    size, whole = ImageSize(*size), None
    direct = direct_labels(size, TILE, overlap, random_logits)
    for budget, batch in ((1, 1), (20_000, 3), (1 << 30, 2)):
        grid = BlockGrid(size, TILE, overlap, 4, budget)
        blocks = list(label_blocks(grid, random_logits, batch))
        labels = labels_of(size, grid, blocks)
        np.testing.assert_array_equal(labels, direct)
        assert whole is None or (labels == whole).all()
        whole = labels
        assert len(blocks) == grid.count and [grid.done(block.next) for block in blocks] == [*range(1, grid.count + 1)]


def test_blocks_have_confidences_if_they_are_asked_for():
    size = ImageSize(75, 91)
    grid = BlockGrid(size, TILE, 0.2, 4, 20_000)
    assert {block.confidence for block in label_blocks(grid, random_logits, 3)} == {None}
    blocks = label_blocks(grid, random_logits, 3, confidence=lambda scores: scores.amax(0))
    highest, labels = np.zeros(size, np.float32), np.zeros(size, np.uint8)
    for block in blocks:
        assert block.confidence.dtype == np.float16
        highest[block.window.slices], labels[block.window.slices] = block.confidence, block.labels
    np.testing.assert_array_equal(labels, direct_labels(size, TILE, 0.2, random_logits))
    alone = random_logits([next(iter(tile_windows(size, TILE, 0.2)))])[0].amax(0)
    np.testing.assert_allclose(highest[:20, :20], alone[:20, :20], atol=3e-3)  # no other tile is there


def test_neighbors_share_a_pixel_with_weights_that_add_up_to_one():
    axis = TileAxis(100, 40, 0.25)
    sums = torch.zeros(100)
    for i, start in enumerate(axis.starts):
        assert tile_weights(axis, i).min() > 0
        sums[start : start + 40] += tile_weights(axis, i)
    torch.testing.assert_close(sums, torch.ones(100))
    assert tile_weights(axis, 0)[:30].eq(1).all() and tile_weights(axis, 2)[10:].eq(1).all(), 'borders of the image'


def test_it_goes_on_from_any_row_of_any_lane():
    size = ImageSize(101, 140)
    grid = BlockGrid(size, TILE, 0.4, 4, budget=20_000)
    blocks = list(label_blocks(grid, random_logits))
    assert len(grid.lanes) > 1 and len(grid.rows) > 1
    for i, block in enumerate(blocks[:-1]):
        rest = list(label_blocks(grid, random_logits, batch=2, start=block.next))
        assert [b.window for b in rest] == [b.window for b in blocks[i + 1 :]]
        for ours, theirs in zip(rest, blocks[i + 1 :], strict=True):
            np.testing.assert_array_equal(ours.labels, theirs.labels)
    assert not list(label_blocks(grid, random_logits, start=blocks[-1].next))


def test_lanes_share_one_column_of_tiles_and_their_strips_keep_to_the_budget():
    grid = BlockGrid(ImageSize(50_000, 50_000), ImageSize(640, 640), 0.2, 150)
    widest = max(grid.window((lane, 0)).width for lane in range(len(grid.lanes)))
    assert (len(grid.lanes), len(grid.x.starts), grid.strip_height) == (4, 98, 128)
    assert 150 * 128 * widest * 4 <= 1 << 30
    assert grid.predictions == 98 * (98 + 3)
    one_lane = BlockGrid(ImageSize(50_000, 50_000), ImageSize(640, 640), 0.2, 19)
    assert len(one_lane.lanes) == 1 and one_lane.predictions == 98 * 98


@pytest.mark.parametrize('overlap', OVERLAPS)
def test_a_prediction_that_sees_the_pixel_alone_is_the_same_with_tiles(overlap):
    for size in itertools.starmap(ImageSize, SIZES):
        image = torch.randn(5, *size, generator=torch.Generator().manual_seed(0))
        grid = BlockGrid(size, TILE, overlap, 5, 30_000)
        blocks = label_blocks(grid, lambda windows: torch.stack([image[(slice(None), *w.slices)] for w in windows]), 2)  # noqa: B023
        np.testing.assert_array_equal(labels_of(size, grid, blocks), image.argmax(0))


class LargestTensor(TorchDispatchMode):
    """Records the largest number of bytes of a tensor that an operation returns."""

    largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor):
            self.largest = max(self.largest, out.untyped_storage().nbytes())
        return out


@pytest.mark.parametrize('size', [(120, 120), (700, 120), (120, 900), (97, 901)])
def test_memory_does_not_grow_with_the_image(size):
    one_tile, budget = 6 * 32 * 36 * 4, 6 * 16 * 4 * 100
    with LargestTensor() as tensors:
        grid = BlockGrid(ImageSize(*size), TILE, 0.5, 6, budget)
        blocks = list(label_blocks(grid, lambda windows: torch.zeros(len(windows), 6, *windows[0].size)))
    assert sum(block.labels.size for block in blocks) == size[0] * size[1]
    assert 0 < tensors.largest <= max(budget, 2 * one_tile)
    assert max(block.window.width for block in blocks) <= 100


def test_labels_of_many_classes_have_16_bits():
    assert [label_dtype(k) for k in (2, 255, 256)] == [np.uint8, np.uint8, np.uint16]
    grid = BlockGrid(ImageSize(40, 40), ImageSize(32, 32), 0.2, 300)
    one_hot = torch.nn.functional.one_hot(torch.tensor(299), 300)[None, :, None, None].expand(1, 300, 32, 32)
    for block in label_blocks(grid, lambda windows: one_hot.half()):
        assert block.labels.dtype == np.uint16 and (block.labels == 299).all()


def test_logits_of_another_shape_are_an_error():
    grid = BlockGrid(ImageSize(40, 40), ImageSize(32, 32), 0.2, 3)
    with pytest.raises(ValueError, match=r'logits have the shape \(1, 3, 16, 16\), not \(1, 3, 32, 32\)'):
        next(label_blocks(grid, lambda windows: torch.zeros(1, 3, 16, 16)))
