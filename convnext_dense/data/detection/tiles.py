"""The objects of large images in tiles: which tiles show something, and what is learned there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...io.coco_format import IGNORE_REGION, Instance, RunLengths
from ...io.image_size import ImageSize
from ...io.window import Window
from ...tiling.grid import TileAxis
from ...tiling.settings import TileSettings
from ..packed_list import PackedList
from ..tiles import TileTable, describe_cut
from .mask_crops import crop_mask, crop_polygons
from .selection import MIN_BOX_SIDE


class MaskRule(NamedTuple):
    """How masks are cut."""

    learned: bool
    """Masks are learned; else they are left out."""
    as_polygons: bool = False
    """Polygons stay polygons, for pipelines that do not draw them."""


def mask_rule(steps: Sequence[Any]) -> MaskRule:
    """Return how the masks of a pipeline's samples are cut, by its loading steps."""
    loading = [step for step in steps if getattr(step, 'with_mask', False)]
    return MaskRule(bool(loading), any(not getattr(step, 'poly2mask', True) for step in loading))


def leave_out_empty(steps: Sequence[Any], table: TileTable) -> str:
    """Take no empty tiles if the pipeline leaves out samples without objects, which the next one would replace.

    Returns:
        Why none is taken, empty otherwise.
    """
    drops = any(type(step).__name__ == 'FilterAnnotations' and getattr(step, 'keep_empty', False) for step in steps)
    if not drops or not table.empty_used:
        return ''
    table.empty_used = 0
    return ', since FilterAnnotations of the pipeline leaves them out'


def clip_instance(
    instance: Instance, window: Window, size: ImageSize, least_visible: float, masks: MaskRule
) -> Instance | None:
    """Clip an object to a window of its image, in the window's pixels.

    An object of which the window has less than ``least_visible`` of its box by area, or a strip thinner than a pixel,
    becomes an ignore region, which is neither learned nor background. Crowds and ignore regions stay what they are.

    Args:
        instance: the object, in pixels of the image.
        window: the window.
        size: of the image, outside of which no box counts.
        least_visible: in (0, 1].
        masks: how masks are cut.

    Returns:
        None if nothing of the box is there, or where masks are learned, nothing of the object's mask.
    """
    x1, y1, x2, y2 = _inside(instance['bbox'], size)
    left, top, right, bottom = max(x1, window.left), max(y1, window.top), min(x2, window.right), min(y2, window.bottom)
    width, height = right - left, bottom - top
    if width <= 0 or height <= 0:
        return None
    share = width * height / ((x2 - x1) * (y2 - y1))
    box = [left - window.left, top - window.top, right - window.left, bottom - window.top]
    clipped: Instance = {**instance, 'bbox': box, 'area': instance['area'] * share}  # type: ignore[typeddict-item]
    mask: Any = clipped.pop('mask', None)
    if masks.learned and mask is not None:
        keeps = masks.as_polygons and isinstance(mask, list)
        cut: Any = crop_polygons(mask, window) if keeps else crop_mask(mask, window, size)
        if not cut and not instance['ignore_flag']:
            return None
        nothing: RunLengths = {'size': list(window.size), 'counts': [window.height * window.width]}
        clipped['mask'] = cut or nothing
    if not instance['ignore_flag'] and (share < least_visible or min(width, height) < MIN_BOX_SIDE):
        clipped['ignore_flag'], clipped['bbox_label'] = 1, IGNORE_REGION
        clipped.pop('unmasked', None)
    return clipped


def _inside(box: Sequence[float], size: ImageSize) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = box
    return max(x1, 0), max(y1, 0), min(x2, size.width), min(y2, size.height)


class TiledObjects:
    """The objects of a data set, found by the windows of images that they are in.

    Args:
        sizes: of the images.
        instances: the objects of each image.
        settings: size and overlap of the tiles, and the least visible share.
        masks: how masks are cut.
    """

    def __init__(
        self,
        sizes: Sequence[ImageSize],
        instances: Sequence[Sequence[Instance]],
        settings: TileSettings,
        masks: MaskRule,
    ) -> None:
        self.sizes, self.settings, self.masks = list(sizes), settings, masks
        self._ends = np.cumsum([len(one) for one in instances])
        self._packed = PackedList(one for of_image in instances for one in of_image)
        boxes = [_inside(one['bbox'], size) for size, some in zip(sizes, instances, strict=True) for one in some]
        self._boxes = np.array(boxes, np.float64).reshape(-1, 4)
        flags = [one['ignore_flag'] for some in instances for one in some]
        self._are_objects = ~np.array(flags, bool)

    def _of_image(self, image: int) -> slice:
        return slice(int(self._ends[image - 1]) if image else 0, int(self._ends[image]))

    def near(self, image: int, window: Window) -> list[Instance]:
        """Return the objects of an image whose boxes reach into a window, in pixels of the image."""
        own = self._of_image(image)
        x1, y1, x2, y2 = self._boxes[own].T
        inside = (x1 < window.right) & (x2 > window.left) & (y1 < window.bottom) & (y2 > window.top)
        return [self._packed[own.start + place] for place in np.flatnonzero(inside).tolist()]

    def clip(
        self, instances: Sequence[Instance], image: int, window: Window, masks: MaskRule | None = None
    ) -> list[Instance]:
        """Clip objects of an image to a window; see :func:`clip_instance`."""
        size, least, masks = self.sizes[image], self.settings.least_visible, masks or self.masks
        clipped = (clip_instance(one, window, size, least, masks) for one in instances)
        return [one for one in clipped if one is not None]

    def find(self) -> FoundTiles:
        """Find the tiles with an object that is visible enough."""
        shown: list[tuple[int, Window]] = []
        empty: list[tuple[int, Window]] = []
        ignored = times = never = 0
        for image in range(len(self.sizes)):
            best = np.zeros(len(self._boxes[self._of_image(image)]))
            cut = np.zeros(len(best), int)
            for row in self._rows(image):
                sure, possible = row.learned & (row.share == 1), row.learned & (row.share < 1)
                np.maximum.at(best, row.objects, (row.share * row.learned).max(axis=1, initial=0))
                np.add.at(cut, row.objects, ((row.share > 0) & ~row.learned).sum(axis=1))
                for column, window in enumerate(row.windows):
                    shows = sure[:, column].any() or (possible[:, column].any() and self._shows(image, window))
                    (shown if shows else empty).append((image, window))
            ignored, times = ignored + np.count_nonzero(cut), times + int(cut.sum())
            never += np.count_nonzero(best[self._are_objects[self._of_image(image)]] == 0)
        line = describe_cut('object', ignored, times, never, self.settings)
        return FoundTiles(TileTable(shown, empty, self.settings), times, line)

    def _rows(self, image: int) -> Iterator[_Row]:
        (height, width), overlap = self.settings.size, self.settings.overlap
        size, own = self.sizes[image], self._of_image(image)
        rows, columns = TileAxis(size.height, height, overlap), TileAxis(size.width, width, overlap)
        lefts = np.array(columns.starts)
        x1, y1, x2, y2 = self._boxes[own].T
        for top in rows.starts:
            tall = np.minimum(y2, top + rows.tile) - np.maximum(y1, top)
            objects = np.flatnonzero((tall > 0) & self._are_objects[own])
            wide = np.minimum(x2[objects, None], lefts + columns.tile) - np.maximum(x1[objects, None], lefts)
            wide, high = np.maximum(wide, 0), tall[objects, None]
            share = wide * high / np.maximum((x2 - x1) * (y2 - y1), np.finfo(float).tiny)[objects, None]
            learned = (share >= self.settings.least_visible) & (np.minimum(wide, high) >= MIN_BOX_SIDE)
            yield _Row(
                [Window(top, left, rows.tile, columns.tile) for left in columns.starts], objects, share, learned
            )

    def _shows(self, image: int, window: Window) -> bool:
        """Whether an object that is cut leaves anything in a window."""
        if not self.masks.learned:
            return True
        return shows_object(self.clip(self.near(image, window), image, window))


class FoundTiles(NamedTuple):
    """The tiles of a data set."""

    table: TileTable
    ignored: int
    """Number of objects that are ignored in a tile, for all tiles."""
    line: str
    """What is said of objects that tiles cut, after the numbers of tiles; empty if there are none."""


class _Row(NamedTuple):
    """A row of tiles, and the M objects that it has something of."""

    windows: list[Window]
    objects: np.ndarray
    """Indices of the objects among those of the image, (M,)."""
    share: np.ndarray
    """Share of their boxes in each tile, (M, tiles)."""
    learned: np.ndarray
    """Whether they are learned in each tile, (M, tiles)."""


def shows_object(instances: Sequence[Instance]) -> bool:
    """Check whether there is an object to learn, rather than crowds and ignore regions alone."""
    return any(not one['ignore_flag'] for one in instances)
