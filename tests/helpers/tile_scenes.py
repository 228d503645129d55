"""Scenes of drawn objects, and networks that see them perfectly, but in tiles."""

from __future__ import annotations

import numpy as np

from convnext_dense.io.image_size import ImageSize
from convnext_dense.io.mask_box import box_around
from convnext_dense.tiling.grid import tile_windows
from convnext_dense.tiling.objects import Objects


class Scene:
    """Objects that do not overlap, each in a cell of its own: ellipses, small and large, of three classes.

    Attributes:
        masks: bool (N, H, W).
        boxes: float32 (N, 4).
        labels: int64 (N,).
    """

    def __init__(self, size, cell=24, seed=0):
        rng = np.random.default_rng(seed)
        self.size = ImageSize(*size)
        rows, columns = np.mgrid[: self.size.height, : self.size.width] + 0.5
        masks = []
        for top in range(0, self.size.height, cell):
            for left in range(0, self.size.width, cell):
                height, width = (side - 2 for side in (min(cell, size[0] - top), min(cell, size[1] - left)))
                if min(height, width) >= 8:
                    radii = rng.uniform(0.25, 0.5, 2) * (height, width)
                    y, x = top + 1 + height / 2, left + 1 + width / 2
                    masks.append(((rows - y) / radii[0]) ** 2 + ((columns - x) / radii[1]) ** 2 <= 1)
        self.masks = np.array(masks).reshape(-1, *size)
        self.boxes = np.array([box_around(mask) for mask in masks], np.float32).reshape(-1, 4)
        self.labels = rng.integers(0, 3, len(masks))
        self.scores = rng.uniform(0.5, 0.9, len(masks)).astype(np.float32)

    def seen_in(self, window, with_masks=True, noise=None):
        """The objects of a tile, without slivers of one pixel; with noise, boxes are off by up to a pixel."""
        parts = self.masks[(slice(None), *window.slices)]
        seen = np.array([min(part.any(axis=0).sum(), part.any(axis=1).sum()) > 1 for part in parts], bool)
        parts = parts[seen]
        boxes = np.array([box_around(mask) for mask in parts], float).reshape(-1, 4)
        if noise is not None:
            boxes = np.clip(boxes + noise.uniform(-1, 1, boxes.shape), 0, np.tile(window.size[::-1], 2))
        masks = parts if with_masks else None
        return Objects.of_tile(window, self.size, boxes, self.scores[seen], self.labels[seen], masks)

    def tiles(self, tile, overlap, with_masks=True, noise=None):
        """The objects of all tiles, and the tiles."""
        windows = tile_windows(self.size, ImageSize(*tile), overlap)
        return [self.seen_in(window, with_masks, noise) for window in windows], windows


def in_order(boxes, labels):
    """Boxes and labels as rows, sorted, to be compared."""
    return sorted(map(tuple, np.column_stack([boxes, labels]).tolist()))
