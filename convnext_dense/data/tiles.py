"""The tiles of large images that a data set is trained on."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from mmengine.logging import print_log

from ..counting import counted
from ..errors import UserError
from ..io.image_size import ImageSize
from ..io.window import Window
from ..tiling.settings import TileSettings
from .text import count_of, shortened

TRIES = 10
"""Number of places that are drawn for a tile until it shows something to learn."""
LARGE_IMAGE = 50_000_000
"""Pixels above which an image that is decoded as a whole for each tile is named, and not decoded to be checked."""
MAX_OPENED = 64
"""Number of images, the largest ones, whose files are opened to find out."""

TILED_TIFF = 'save them as TIFF in tiles, such as by tifffile.imwrite(file, array, tile=(256, 256))'
SMALLER = 'cut images and masks into smaller ones'

T = TypeVar('T')


class Tile(NamedTuple):
    """A tile of an image of a data set."""

    image: int
    """Index of the image."""
    window: Window
    shows: bool
    """Whether there is something to learn but background."""


class TileTable:
    """The tiles of an epoch: all that show something to learn, and a share of the others.

    Args:
        shown: the tiles that show something, each with the index of its image.
        empty: the others that can be learned from.
        settings: the share of the others.

    Attributes:
        shown, empty: int32 (N, 5): index of the image, top, left, height and width.
        empty_used: number of empty tiles in an epoch, drawn anew each time.
    """

    def __init__(
        self, shown: Sequence[tuple[int, Window]], empty: Sequence[tuple[int, Window]], settings: TileSettings
    ) -> None:
        self.shown, self.empty = (
            np.array([(image, *window) for image, window in some], np.int32).reshape(-1, 5) for some in (shown, empty)
        )
        share = settings.empty_share
        self.empty_used = min(round(len(shown) * share / (1 - share)), len(empty))

    def __len__(self) -> int:
        return len(self.shown) + self.empty_used

    @property
    def total(self) -> int:
        """Number of all tiles that can be learned from."""
        return len(self.shown) + len(self.empty)

    def pick(self, index: int, draws: bool = True) -> Tile:
        """Return a tile of the epoch; one of the empty ones is drawn by numpy's random numbers among all of them.

        Args:
            index: from 0 to the length.
            draws: take the first empty ones instead of drawing them if False.
        """
        shows = index < len(self.shown)
        place = index - len(self.shown)
        row = self.shown[index] if shows else self.empty[np.random.randint(len(self.empty)) if draws else place]
        image, *window = row.tolist()
        return Tile(image, Window(*window), shows)

    def first_after(self, image: int) -> int:
        """Return the index of the first tile that shows something of a later image, or else of the first one."""
        index = int(np.searchsorted(self.shown[:, 0], image, side='right'))
        return index % len(self.shown)


def draw_window(tile: Window, size: ImageSize, distance: ImageSize) -> Window:
    """Move a tile by up to half the distance of tiles down or up, and right or left, as far as the image goes.

    At a border of the image, half of the tiles stay there, so that the pixels at the border are seen.

    Args:
        tile: the tile.
        size: of the image.
        distance: from a tile to the next, in pixels.
    """
    moved = [
        min(max(start + np.random.randint(-(step // 2), step // 2 + 1), 0), whole - length)
        for start, step, whole, length in zip(tile[:2], distance, size, tile.size, strict=True)
    ]
    return Window(moved[0], moved[1], *tile.size)


def reach_of(tile: Window, size: ImageSize, distance: ImageSize) -> Window:
    """Return the pixels that :func:`draw_window` may show, with the same arguments."""
    tops, lefts = (
        (max(start - step // 2, 0), min(start + step // 2, whole - length) + length)
        for start, step, whole, length in zip(tile[:2], distance, size, tile.size, strict=True)
    )
    return Window(tops[0], lefts[0], tops[1] - tops[0], lefts[1] - lefts[0])


def draw_content(
    tile: Window, size: ImageSize, distance: ImageSize, content: Callable[[Window], T | None]
) -> tuple[Window, T]:
    """Draw a place for a tile until there is something to learn, and at last take the tile itself.

    Args:
        tile: the tile.
        size: of the image.
        distance: from a tile to the next, in pixels.
        content: what is learned in a window; None if nothing is left. In the tile itself something is.

    Returns:
        The window, and its content.

    Raises:
        UserError: if the tile itself has none.
    """
    for _ in range(TRIES):
        window = draw_window(tile, size, distance)
        found = content(window)
        if found is not None:
            return window, found
    found = content(tile)
    if found is None:
        raise UserError(f'nothing is left to learn in the {tile} of an image, which changed since training began')
    return tile, found


def report_tiles(
    name: str, images: int, table: TileTable, settings: TileSettings, more: str = '', why_no_empty: str = ''
) -> None:
    """Say which tiles are used, in one line.

    Args:
        name: the data set's.
        images: their number.
        table: the tiles.
        settings: their size.
        more: what else there is to say.
        why_no_empty: why no empty tile is used, if the share does not tell.

    Raises:
        UserError: if no tile shows anything.
    """
    what = f'{counted(images, "image")} in {counted(table.total, "tile")} of {settings.size}'
    if not len(table.shown):
        raise UserError(
            f'nothing to learn from: {name}: {what}, of which none shows anything but background: take larger tiles '
            'with --tile'
        )
    used = f'{table.empty_used:,}' if table.empty_used else 'none'
    of_empty = f'{used} of the {len(table.empty):,} empty ones in each epoch{why_no_empty}'
    empty = of_empty if len(table.empty) else 'and none is empty'
    show = 'shows' if len(table.shown) == 1 else 'show'
    rows = np.concatenate([table.shown, table.empty])
    smaller = len(np.unique(rows[(rows[:, 3:] < settings.size).any(axis=1), 0]))
    if smaller:
        more += f'; the tiles of {counted(smaller, "image")} with a side shorter than a tile are resized like images'
    print_log(f'{name}: {what}, of which {len(table.shown):,} {show} something, {empty}{more}', 'current')


def describe_cut(noun: str, ignored: int, times: int, never: int, settings: TileSettings) -> str:
    """Describe the objects that tiles cut, after the numbers of tiles; empty if there are none.

    Args:
        noun: what they are called.
        ignored: number of those that are ignored in a tile.
        times: number of times that one is.
        never: number of those that are learned in no tile.
        settings: the least visible share.
    """
    least, line = f'{settings.least_visible:.0%}', ''
    if times:
        what = f'{counted(ignored, noun)} {"is" if ignored == 1 else "are"} ignored'
        line = f'; {what} in tiles that have less than {least} of the box, {counted(times, "time")}'
    if never:
        what = f'{counted(never, noun)} {"is" if never == 1 else "are"} learned in no tile'
        line += f'; {what}, since none has {least} of the box: take larger tiles with --tile'
    return line


def report_whole_decoding(
    name: str,
    files: Iterable[tuple[str, ImageSize]],
    is_whole: Callable[[str], bool],
    kind: str = 'image',
    fix: str = TILED_TIFF,
) -> None:
    """Say in one line if large images or masks are decoded as a whole for each tile, which takes seconds for each.

    Args:
        name: the data set's.
        files: path and size of each.
        is_whole: tells of a path whether it is.
        kind: what they are, ``'image'`` or ``'mask'``.
        fix: what to do about it.
    """
    large = [(size.height * size.width, path) for path, size in files if size.height * size.width > LARGE_IMAGE]
    paths = [path for _, path in sorted(large, key=lambda one: -one[0])][:MAX_OPENED]
    found = [os.path.basename(path) for path in paths if is_whole(path)]
    if found:
        large_ones = f'{count_of(found, f"large {kind}")} {"is" if len(found) == 1 else "are"}'
        whole = f'{large_ones} decoded as a whole for each tile, which is slow and takes memory'
        print_log(f'{name}: {whole}: {shortened(found, 3)}: {fix}', 'current', logging.WARNING)
