"""Semantic segmentation of large images: weighted logits of tiles become blocks of labels, in bounded memory.

The label of a pixel is the class with the largest sum, over all tiles that cover it, of weight times logit. A tile's
weight is 1, and falls linearly toward an edge inside the overlap with the neighbor there, so that the weights of two
neighbors add up to 1; toward the borders of the image, it does not fall.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch

from ..io.image_size import ImageSize
from ..io.window import Window
from .grid import TileAxis, check_tiles

BUDGET = 1 << 30
"""Bytes of the sums of logits that are kept from one row of tiles to the next, unless told otherwise: 1 GiB."""
FLOAT_BYTES = 4
MOST_UINT8_CLASSES = 255
"""Most classes whose labels are uint8, in which 255 is left for pixels without a class."""

Predict = Callable[[Sequence[Window]], torch.Tensor]
Confidence = Callable[[torch.Tensor], torch.Tensor]
"""Returns the confidence of the class with the highest score, (H, W) in [0, 1], of scores (K, H, W)."""


class Position(NamedTuple):
    """A row of tiles in a lane, both counted from 0."""

    lane: int
    row: int


class Block(NamedTuple):
    """Labels of a window of an image that no later tile changes."""

    window: Window
    labels: np.ndarray
    """uint8 or uint16 (H, W); see :func:`label_dtype`."""
    next: Position
    """Where to go on once this block is kept."""
    confidence: np.ndarray | None = None
    """float16 (H, W), in [0, 1]; None unless it was asked for."""


class BlockGrid:
    """The order in which the tiles of an image are predicted, and which pixels are final when.

    The image is walked in lanes from top to bottom, each as wide as ``budget`` allows. In a lane, rows of tiles are
    predicted from left to right; what is kept of a row is the strip that overlaps the next one, with the sums of
    logits as float32: K x overlap x width of the lane. A lane also predicts the tiles that reach into it from the lane
    before, one column as a rule: with n lanes and m columns of tiles, about (n - 1) / m of the tiles are predicted
    twice. For 50,000 x 50,000 pixels, 150 classes and tiles of 640 with an overlap of 0.2, a budget of 1 GiB makes 4
    lanes of 98 columns: 3% more tiles.

    If the last row of tiles is shifted inwards, it is predicted together with the one before it, as one row of this
    grid, since the strip between these two could be almost as high as a tile.

    Args:
        size: of the image.
        tile: size of a tile.
        overlap: share of a tile's side by which neighbors overlap, in [0, 0.5].
        classes: number of classes, K.
        budget: bytes for the strip; a lane has at least one column of tiles. Beside the strip, memory holds a few
            arrays of K values for each pixel of a tile, the logits of a batch, and the labels of a row.

    Attributes:
        size, classes: as above.
        y, x: the tiles along each side.

    Raises:
        UserError: see :func:`~convnext_dense.tiling.grid.check_tiles`.
    """

    def __init__(self, size: ImageSize, tile: ImageSize, overlap: float, classes: int, budget: int = BUDGET) -> None:
        check_tiles(tile, overlap)
        self.size, self.classes, self.budget = size, classes, budget
        self.y, self.x = TileAxis(size.height, tile.height, overlap), TileAxis(size.width, tile.width, overlap)

    @cached_property
    def rows(self) -> list[range]:
        """The rows of tiles that are predicted together: each alone, but for the last two if the last is shifted."""
        count = len(self.y.starts)
        alone = count - 2 if self.y.last_shifted else count
        return [range(i, i + 1) for i in range(alone)] + [range(alone, count)] * (alone < count)

    @cached_property
    def lanes(self) -> list[range]:
        """The columns of tiles of each lane, whose pixels go from the first one's start to that of the next lane."""
        bounds, widest = self.x.bounds, self.budget // (FLOAT_BYTES * self.classes * max(self.strip_height, 1))
        lanes, first = [], 0
        for end in range(1, len(bounds)):
            if end + 1 == len(bounds) or bounds[end + 1] - bounds[first] > widest:
                lanes.append(range(first, end))
                first = end
        return lanes

    @property
    def strip_height(self) -> int:
        """Height of what is kept from one row of this grid to the next, in pixels; 0 if there is one row."""
        return max(self.y.tile - self.y.step, 0) if len(self.rows) > 1 else 0

    @property
    def count(self) -> int:
        """Number of blocks of the image: rows of this grid times lanes."""
        return len(self.lanes) * len(self.rows)

    @property
    def predictions(self) -> int:
        """Number of tiles that are predicted for the image, those that two lanes predict counted twice."""
        return len(self.y.starts) * sum(len(self.columns(lane)) for lane in range(len(self.lanes)))

    def done(self, position: tuple[int, int]) -> int:
        """Return the number of blocks before a position."""
        lane, row = position
        return lane * len(self.rows) + row

    def columns(self, lane: int) -> range:
        """Return the columns of tiles to predict for a lane: its own, and those that reach into it from the left."""
        own = self.lanes[lane]
        left = self.x.starts[own.start]
        return range(sum(start + self.x.tile <= left for start in self.x.starts[: own.start]), own.stop)

    def window(self, position: tuple[int, int]) -> Window:
        """Return the pixels that become final with a row of tiles in a lane."""
        lane, row = position
        rows, columns = self.rows[row], self.lanes[lane]
        top, left = self.y.bounds[rows.start], self.x.bounds[columns.start]
        return Window(top, left, self.y.bounds[rows.stop] - top, self.x.bounds[columns.stop] - left)

    def tile(self, i: int, j: int) -> Window:
        """Return the window of the tile in row i and column j."""
        return Window(self.y.starts[i], self.x.starts[j], self.y.tile, self.x.tile)

    def tiles_of(self, position: tuple[int, int]) -> list[tuple[int, int]]:
        """Return row and column of each tile to predict for a row of this grid in a lane, in this order."""
        lane, row = position
        return [(i, j) for j in self.columns(lane) for i in self.rows[row]]

    def order(self, start: tuple[int, int] = (0, 0)) -> Iterator[Window]:
        """Yield all tiles in the order in which :func:`label_blocks` predicts them from ``start`` on."""
        lane, row = start
        for current in range(lane, len(self.lanes)):
            for i in range(max(row - 1, 0), len(self.rows)):
                yield from (self.tile(*tile) for tile in self.tiles_of((current, i)))
            row = 0


def label_dtype(classes: int) -> np.dtype:
    """Return the type of labels: uint8 up to 255 classes, otherwise uint16."""
    return np.dtype(np.uint8 if classes <= MOST_UINT8_CLASSES else np.uint16)


def tile_weights(axis: TileAxis, i: int) -> torch.Tensor:
    """Return the weights of the pixels of tile i along one side, float32 (tile,), all in (0, 1]."""
    distances, weights = torch.arange(axis.tile) + 0.5, torch.ones(axis.tile)
    for neighbor, distance in ((i - 1, distances), (i + 1, distances.flip(0))):
        if 0 <= neighbor < len(axis.starts):
            overlap = axis.tile - abs(axis.starts[neighbor] - axis.starts[i])
            weights = torch.minimum(weights, distance / overlap) if overlap else weights
    return weights


def label_blocks(
    grid: BlockGrid,
    predict: Predict,
    batch: int = 1,
    start: tuple[int, int] = (0, 0),
    confidence: Confidence | None = None,
) -> Iterator[Block]:
    """Predict the tiles of an image and yield blocks of labels as they become final, one for a row of tiles in a lane.

    The labels depend neither on the lanes, nor on ``batch`` or ``start``: the logits of each pixel are added up in the
    same order. To go on from a later row of a lane, the row above it is predicted once more.

    Args:
        grid: the tiles.
        predict: returns the logits of n windows, floats (n, K, h, w), on any device; they are added up as float32.
            Where a network has one logit x for two classes and a threshold t, these are log(t / (1 - t)) and x.
        batch: largest number of windows that are predicted at once.
        start: lane and row to begin with, such as :attr:`Block.next` of the last block that was kept.
        confidence: what gives the confidences of blocks, of the sums of weighted logits; None for blocks without.

    Raises:
        ValueError: if the logits have another shape.
    """
    lane, row = start
    for current in range(lane, len(grid.lanes)):
        sums = _LaneSums(grid, predict, batch, current, confidence)
        if row:
            sums.predict_row(row - 1)
        for i in range(row, len(grid.rows)):
            labels, confidences = sums.predict_row(i)
            following = Position(current, i + 1) if i + 1 < len(grid.rows) else Position(current + 1, 0)
            yield Block(grid.window((current, i)), labels, following, confidences)
        row = 0


class _LaneSums:
    """The sums of weighted logits in a lane: the strip that the rows of tiles so far leave for the next."""

    def __init__(
        self, grid: BlockGrid, predict: Predict, batch: int, lane: int, confidence: Confidence | None
    ) -> None:
        self.grid, self.predict, self.batch, self.lane, self.confidence = grid, predict, batch, lane, confidence
        window = grid.window((lane, 0))
        self.left, self.width = window.left, window.width
        self.strip: torch.Tensor | None = None  # (K, strip height, width), from the first row of the next tiles on

    def predict_row(self, row: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Predict a row of tiles and return what becomes final; what is below goes into the strip.

        These are labels (H, W), and their confidences if they are asked for.

        The sums for a tile's columns move to the right with the tiles. Those left of the next tile are final in this
        row. The strip is read before it is overwritten, since that happens where the sums have passed.
        """
        grid, window, rows = self.grid, self.grid.window((self.lane, row)), self.grid.rows[row]
        height = grid.y.starts[rows[-1]] + grid.y.tile - window.top
        labels = np.empty(window.size, label_dtype(grid.classes))
        confidences = None if self.confidence is None else np.empty(window.size, np.float16)
        columns = grid.columns(self.lane)
        sums: torch.Tensor | None = None
        for i, j, logits in self._weighted_logits(grid.tiles_of((self.lane, row))):
            left, step = grid.x.starts[j], grid.x.bounds[j + 1] - grid.x.starts[j]
            if sums is None:
                sums = self._sums_from(left, left + grid.x.tile, height, logits)
            sums.narrow(1, grid.y.starts[i] - window.top, grid.y.tile).add_(logits)
            if i != rows[-1]:
                continue
            if left >= self.left:
                own = slice(left - self.left, left - self.left + step)
                done = sums[:, : window.height, :step]
                labels[:, own] = done.argmax(0).cpu().numpy()
                if self.confidence is not None and confidences is not None:
                    confidences[:, own] = self.confidence(done).cpu().numpy()
                if self.strip is not None and row + 1 < len(grid.rows):
                    self.strip[:, :, own] = sums[:, window.height :, :step]
            if j != columns[-1]:
                new = self._sums_from(left + grid.x.tile, left + grid.x.tile + step, height, logits)
                sums = torch.cat([sums[:, :, step:], new], dim=2)
        return labels, confidences

    def _sums_from(self, left: int, right: int, height: int, like: torch.Tensor) -> torch.Tensor:
        """Return what earlier rows of tiles add to columns of the image in this row, (K, height, right - left)."""
        grid = self.grid
        if self.strip is None and grid.strip_height:
            self.strip = like.new_zeros(grid.classes, grid.strip_height, self.width)
        sums = like.new_zeros(grid.classes, height, right - left)
        first, last = max(left, self.left), min(right, self.left + self.width)
        if self.strip is not None and first < last:
            known = self.strip[:, :, first - self.left : last - self.left]
            sums[:, : grid.strip_height, first - left : last - left] = known
        return sums

    def _weighted_logits(self, tiles: list[tuple[int, int]]) -> Iterator[tuple[int, int, torch.Tensor]]:
        """Predict tiles in batches; yield the row and column of each, and weighted logits, float32 (K, h, w)."""
        grid = self.grid
        for first in range(0, len(tiles), self.batch):
            some = tiles[first : first + self.batch]
            logits = self.predict([grid.tile(i, j) for i, j in some])
            expected = (len(some), grid.classes, grid.y.tile, grid.x.tile)
            if tuple(logits.shape) != expected:
                raise ValueError(f'logits have the shape {tuple(logits.shape)}, not {expected}')
            for (i, j), one in zip(some, logits, strict=True):
                weights = tile_weights(grid.y, i)[:, None] * tile_weights(grid.x, j)
                yield i, j, one.detach().float() * weights.to(one.device)
