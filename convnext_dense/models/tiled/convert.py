"""Convert mmdet's predictions for tiles to those that are merged, and what is merged back to mmdet's."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import UserError
from ...io.image_size import ImageSize
from ...io.mask_box import box_around
from ...io.panoptic import INSTANCE_OFFSET, NO_SEGMENTS, VOID
from ...io.window import Window
from ...tiling.segments import ROWS, TileSegments
from ...tiling.tile_objects import MaskCrop, Objects


def tile_objects(sample: Any, window: Window, size: ImageSize) -> Objects:
    """Convert the objects of a tile.

    Args:
        sample: mmdet's data sample with ``pred_instances``. Some heads, such as SOLO's, find masks alone, with boxes
            without an area: those become the boxes around the masks.
        window: the tile.
        size: of the image.

    Raises:
        UserError: if the model predicts no instances.
    """
    if 'pred_instances' not in sample:
        raise UserError('the model predicts no instances: set model.test_cfg.instance_on=True')
    found = sample.pred_instances
    boxes = found.bboxes.float().cpu().numpy()
    masks = found.masks.cpu().numpy().astype(bool, copy=False) if 'masks' in found else None
    if masks is not None:
        flat = np.flatnonzero((boxes[:, 2:] <= boxes[:, :2]).any(axis=1))
        boxes[flat] = np.array([box_around(masks[i]) for i in flat], np.float32).reshape(-1, 4)
    scores, labels = found.scores.float().cpu().numpy(), found.labels.long().cpu().numpy()
    return Objects.of_tile(window, size, boxes, scores, labels, masks)


def shrunk_objects(sample: Any, shrunk: ImageSize, factor: int, size: ImageSize) -> Objects:
    """Convert the objects of a shrunk image to those of the image.

    Args:
        sample: see :func:`tile_objects`.
        shrunk: size of the shrunk image.
        factor: pixels of the image for one of the shrunk image, along each side.
        size: of the image.
    """
    found = tile_objects(sample, Window.whole(shrunk), shrunk)
    limits = np.tile(np.array(size[::-1], np.float32), 2)
    masks = None if found.masks is None else [_enlarged(mask, factor, size) for mask in found.masks]
    return Objects(np.minimum(found.boxes * factor, limits), found.scores, found.labels, found.cut, masks)


def _enlarged(mask: MaskCrop, factor: int, size: ImageSize) -> MaskCrop:
    """Enlarge a mask by a whole factor, within an image."""
    top, left = mask.top * factor, mask.left * factor
    pixels = mask.pixels.repeat(factor, axis=0).repeat(factor, axis=1)
    return MaskCrop(top, left, pixels[: size.height - top, : size.width - left])


def tile_segments(sample: Any, classes: int) -> TileSegments:
    """Convert mmdet's panoptic segmentation of a tile.

    Args:
        sample: a data sample with ``pred_panoptic_seg``: label + :data:`.INSTANCE_OFFSET` * number of the instance, or
            the number of classes where there is no segment.
        classes: number of classes.

    Raises:
        UserError: if the model predicts no segments.
    """
    if 'pred_panoptic_seg' not in sample:
        raise UserError(NO_SEGMENTS)
    numbers = sample.pred_panoptic_seg.sem_seg[0].cpu().numpy().astype(np.int32, copy=False)
    void = numbers % INSTANCE_OFFSET == classes
    found = np.unique(numbers[~void]).tolist()
    return TileSegments(np.where(void, VOID, numbers + 1), {one + 1: one % INSTANCE_OFFSET for one in found})


def panoptic_map(segments: TileSegments, classes: int) -> np.ndarray:
    """Return segments in mmdet's form, int32 (H, W); ``segments.ids`` is changed to it in place.

    Args:
        segments: things and stuff of an image, whose ids count from 1.
        classes: number of classes.
    """
    table = np.full(max(segments.labels, default=0) + 1, classes, np.int32)
    for one, label in segments.labels.items():
        table[one] = label + INSTANCE_OFFSET * one
    for top in range(0, len(segments.ids), ROWS):
        segments.ids[top : top + ROWS] = table[segments.ids[top : top + ROWS]]
    return segments.ids
