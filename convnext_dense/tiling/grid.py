"""Where the tiles of a large image lie."""

from __future__ import annotations

import math
from itertools import pairwise

from ..errors import UserError
from ..io.image_size import TOTAL_STRIDE, ImageSize
from ..io.window import Window

MOST_OVERLAP = 0.5
"""Largest share of a tile's side that a neighbor covers, too. With more, tiles would overlap those after the next."""
MOST_ADDED = 1 / 8
"""Largest share of a tile that is added to the overlap for a distance of tiles that the stride divides."""


def check_tiles(tile: ImageSize, overlap: float) -> None:
    """Check the size of tiles and the share of a side by which neighbors overlap.

    Raises:
        UserError: if a side of a tile is shorter than the stride of the networks, or the share is not in [0, 0.5].
    """
    if min(tile) < TOTAL_STRIDE:
        raise UserError(
            f'tiles of {tile} pixels are smaller than the stride of the networks, {TOTAL_STRIDE}: '
            f'choose tiles with sides of {TOTAL_STRIDE} pixels or more'
        )
    if not 0 <= overlap <= MOST_OVERLAP:  # NaN is neither
        raise UserError(f'an overlap of {overlap:g} is not a share of a tile: choose one from 0 to {MOST_OVERLAP}')


def tile_step(tile: int, overlap: float) -> int:
    """Return the distance from a tile to the next along one side: ``tile * (1 - overlap)`` pixels, rounded up.

    If tiles overlap, it is rounded down to a multiple of the stride of the networks, 32, where that adds an eighth of
    a tile at most, and they overlap by half of one at most. A pixel then lies at the same place between the strides
    in all tiles and in the whole image, and so what a network finds does not depend on the tile, but near its edges.

    Args:
        tile: length of a tile in pixels.
        overlap: share of a tile in [0, 0.5].
    """
    step = math.ceil(round(tile * (1 - overlap), 6))  # 800 * (1 - 0.45) is a bit over 440
    aligned = step // TOTAL_STRIDE * TOTAL_STRIDE
    least = max(tile * (1 - MOST_OVERLAP), step - tile * MOST_ADDED)
    return aligned if overlap and aligned >= least else step


class TileAxis:
    """The tiles along one side of an image.

    :func:`tile_step` tells the distance of neighbors. The last tile is shifted inwards, so that it ends with the
    image, and overlaps more. A tile that is longer than the image is as long as the image.

    Args:
        length: of the side of the image, in pixels.
        tile: length of a tile in pixels.
        overlap: share of a tile in [0, 0.5].

    Attributes:
        length: as above.
        tile: length of each tile in pixels.
        step: distance from a tile to the next in pixels, but for the last.
        starts: first pixels of the tiles, in ascending order.
    """

    def __init__(self, length: int, tile: int, overlap: float) -> None:
        self.length, self.tile = length, min(tile, length)
        self.step = tile_step(tile, overlap)
        last = length - self.tile
        self.starts = [*range(0, last, self.step), last]

    @property
    def last_shifted(self) -> bool:
        """Whether the last tile overlaps the one before it more than others do."""
        return len(self.starts) > 1 and self.starts[-1] - self.starts[-2] < self.step

    @property
    def bounds(self) -> list[int]:
        """First pixel of each tile, and the end: pixels b[i] to b[i + 1] are in tile i, and in no later one."""
        return [*self.starts, self.length]

    @property
    def middles(self) -> list[int]:
        """The borders of the image and the middles of overlaps: pixels m[i] to m[i + 1] are nearest to tile i."""
        inner = [(first + self.tile + second) // 2 for first, second in pairwise(self.starts)]
        return [0, *inner, self.length]


def tile_windows(size: ImageSize, tile: ImageSize, overlap: float) -> list[Window]:
    """Return the tiles that cover an image, row by row; see :class:`TileAxis` for each side.

    All have the same size: that of ``tile``, or of the image where that is smaller.

    Args:
        size: of the image.
        tile: size of a tile.
        overlap: share of a tile's side by which neighbors overlap, in [0, 0.5].

    Raises:
        UserError: see :func:`check_tiles`.
    """
    check_tiles(tile, overlap)
    rows, columns = TileAxis(size.height, tile.height, overlap), TileAxis(size.width, tile.width, overlap)
    return [Window(top, left, rows.tile, columns.tile) for top in rows.starts for left in columns.starts]
