"""The sizes at which a pipeline passes images on to a network. Imports nothing large."""

from __future__ import annotations

from typing import NamedTuple

from ..io.image_size import ImageSize
from ..io.window import tile_size


class SeenSizes(NamedTuple):
    """How large a network sees images: the sizes that they are resized to fit into, and the tiles before that.

    A crop that follows cuts images without changing the size of what they show.
    """

    scales: tuple[tuple[float, float], ...] = ()
    """Shorter and longer side, in pixels, that images fit into after resizing; of several, one is drawn. Empty if it
    is unknown."""
    tile: ImageSize | None = None
    """Size of the tiles in pixels of the image; None for whole images."""
    crop: int | None = None
    """Shorter side of the crops that follow; None if there are none."""

    @property
    def side(self) -> int:
        """The usual shorter side of what enters the network, in pixels; 0 if it is unknown."""
        if self.crop is not None or not self.scales:
            return self.crop or 0
        return round(sum(short for short, _ in self.scales) / len(self.scales))

    def cut(self, size: ImageSize) -> ImageSize:
        """Return the size of a tile of an image of this size, or the image's own without tiles."""
        return tile_size(size, self.tile)

    def factor(self, size: ImageSize) -> float | None:
        """Return the mean factor by which an image of this size, or its tile, is enlarged; None if it is unknown."""
        if not self.scales:
            return None
        short, long = sorted(max(side, 1) for side in self.cut(size))
        return sum(min(inner / short, outer / long) for inner, outer in self.scales) / len(self.scales)


UNKNOWN = SeenSizes()
"""Nothing is known of the sizes."""
