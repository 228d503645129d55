"""Objects that are detected in tiles, in pixels of the image, with masks that are cropped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..io.image_size import ImageSize
from ..io.mask_box import box_around
from ..io.window import Window

CUT_DISTANCE = 4
"""Pixels: a box that ends so close to an inner edge of its tile is taken for cut. (The networks' finest stride.)"""


class MaskCrop(NamedTuple):
    """The mask of an object without what surrounds it."""

    top: int
    left: int
    pixels: np.ndarray
    """bool (h, w), from row ``top`` and column ``left`` of the image."""

    @classmethod
    def of(cls, mask: np.ndarray, top: int = 0, left: int = 0) -> MaskCrop:
        """Crop a mask (H, W) of a window whose upper left pixel is given."""
        x1, y1, x2, y2 = box_around(mask)
        return cls(top + y1, left + x1, np.array(mask[y1:y2, x1:x2], bool))

    @property
    def window(self) -> Window:
        """The pixels of the image that the crop covers."""
        return Window(self.top, self.left, *self.pixels.shape)

    def inside(self, window: Window) -> np.ndarray:
        """Return the part of the mask in a window of the image that lies in the crop's."""
        return self.pixels[Window(window.top - self.top, window.left - self.left, *window.size).slices]

    def common(self, other: MaskCrop) -> int:
        """Count the pixels that two masks have in common."""
        window = self.window.intersection(other.window)
        return int((self.inside(window) & other.inside(window)).sum()) if min(window.size) else 0

    def shrunk(self, factor: int) -> MaskCrop:
        """Return the mask of the image that is shrunk by a whole factor, whose pixels are those of the centers."""
        top, left = -(-(self.top - factor // 2) // factor), -(-(self.left - factor // 2) // factor)
        rows = slice(top * factor + factor // 2 - self.top, None, factor)
        columns = slice(left * factor + factor // 2 - self.left, None, factor)
        return MaskCrop(top, left, self.pixels[rows, columns])

    def full(self, size: ImageSize) -> np.ndarray:
        """Return the mask of the image, bool (H, W)."""
        mask = np.zeros(size, bool)
        mask[self.window.slices] = self.pixels
        return mask


@dataclass(frozen=True, eq=False)
class Objects:
    """N detected objects of an image.

    Attributes:
        boxes: float32 (N, 4), left, top, right and bottom edge in pixels of the image.
        scores: float32 (N,).
        labels: int64 (N,).
        cut: bool (N,), whether an object ends at an inner edge of its tile, or was joined from such parts.
        masks: N masks, or None from a detector without them.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    cut: np.ndarray
    masks: Sequence[MaskCrop] | None = None

    @classmethod
    def of_tile(
        cls,
        window: Window,
        size: ImageSize,
        boxes: np.ndarray,
        scores: np.ndarray,
        labels: np.ndarray,
        masks: np.ndarray | None = None,
    ) -> Objects:
        """Convert the detections in a tile.

        Args:
            window: the tile.
            size: of the image.
            boxes: (N, 4) in pixels of the tile.
            scores: (N,).
            labels: (N,).
            masks: bool (N, h, w), as large as the tile, or None.
        """
        moved = np.asarray(boxes, np.float64).reshape(-1, 4) + np.tile([window.left, window.top], 2)
        windows = np.array([window]).repeat(len(moved), axis=0)
        crops = None if masks is None else [MaskCrop.of(mask, window.top, window.left) for mask in masks]
        return cls(
            moved.astype(np.float32),
            np.asarray(scores, np.float32),
            np.asarray(labels, np.int64),
            np.any(cut_edges(moved, windows, size), axis=1),
            crops,
        )

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, index: np.ndarray) -> Objects:
        """Return the objects that a mask, bool (N,), or indices choose."""
        chosen = np.flatnonzero(index) if index.dtype == bool else index
        masks = None if self.masks is None else [self.masks[i] for i in chosen.tolist()]
        return Objects(self.boxes[chosen], self.scores[chosen], self.labels[chosen], self.cut[chosen], masks)

    @classmethod
    def concatenate(cls, several: Sequence[Objects]) -> Objects:
        """Return the objects of several lists, at least one, as one; without masks unless all have them."""
        masks = None
        if all(one.masks is not None for one in several):
            masks = [mask for one in several for mask in one.masks or ()]
        boxes, scores, labels, cut = (
            np.concatenate([getattr(one, name) for one in several]) for name in ('boxes', 'scores', 'labels', 'cut')
        )
        return cls(boxes, scores, labels, cut, masks)


def edges_of(windows: np.ndarray) -> np.ndarray:
    """Return the edges of windows, (n, 4) of top, left, height and width, as (n, 4) of left, top, right and bottom."""
    top, left, height, width = windows.reshape(-1, 4).T
    return np.stack([left, top, left + width, top + height], axis=1)


def cut_edges(
    boxes: np.ndarray, windows: np.ndarray, size: ImageSize, distance: float | np.ndarray = CUT_DISTANCE
) -> np.ndarray:
    """Tell which inner edges of their tiles boxes end at: bool (n, 4), left, top, right and bottom.

    Args:
        boxes: (n, 4), in pixels of the image.
        windows: (n, 4), the tiles.
        size: of the image.
        distance: pixels from the edge, at most.
    """
    edges = edges_of(windows)
    inner = np.hstack([edges[:, :2] > 0, edges[:, 2:] < [size.width, size.height]])
    return inner & (np.array([1, 1, -1, -1]) * (boxes - edges) <= distance)
