"""The type for rectangles of whole pixels in an image."""

from __future__ import annotations

from typing import NamedTuple

from .image_size import ImageSize


class Window(NamedTuple):
    """Rectangle of whole pixels in an image: its upper left pixel, and its height and width."""

    top: int
    left: int
    height: int
    width: int

    @classmethod
    def whole(cls, size: ImageSize) -> Window:
        """The window with all of an image."""
        return cls(0, 0, *size)

    @property
    def size(self) -> ImageSize:
        """Height and width."""
        return ImageSize(self.height, self.width)

    @property
    def bottom(self) -> int:
        """The first row below."""
        return self.top + self.height

    @property
    def right(self) -> int:
        """The first column to the right."""
        return self.left + self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        """The index of its pixels in an array (H, W, ...)."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def intersection(self, other: Window) -> Window:
        """The pixels in both; its height or width is 0 if there are none."""
        top, left = max(self.top, other.top), max(self.left, other.left)
        height = max(min(self.bottom, other.bottom) - top, 0)
        return Window(top, left, height, max(min(self.right, other.right) - left, 0))


def tile_size(size: ImageSize, tile: ImageSize | None) -> ImageSize:
    """Return the size of the tiles of an image: ``tile``, or less where the image is smaller; for None its own."""
    return size if tile is None else ImageSize(min(size.height, tile.height), min(size.width, tile.width))


def central_window(size: ImageSize, tile: ImageSize) -> Window:
    """Return the window of a size in the middle of an image, or as large as the image where that is smaller."""
    height, width = tile_size(size, tile)
    return Window((size.height - height) // 2, (size.width - width) // 2, height, width)
