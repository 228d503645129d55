"""Predictions as labeled images, to write them as annotations."""

from __future__ import annotations

from pathlib import Path

from ..data.formats.write.base import LabeledImage, LabeledObject
from ..data.formats.write.outlines import crop_as_segmentation
from ..data.image_scan import read_header
from ..errors import UserError
from ..io.image_size import ImageSize
from ..results import Detection, Panoptic, Segmentation
from ..tiling.tile_objects import MaskCrop


def with_objects(result: Detection, needs_masks: bool = False) -> LabeledImage:
    """Convert the result of a detector for an image file to objects with scores.

    Raises:
        UserError: if masks are needed, and it has none.
    """
    if needs_masks and result.masks is None:
        raise UserError('the detector predicts no masks to make label maps of: take another --format')
    objects = []
    for number, (label, entry) in enumerate(zip(result.labels.tolist(), result.as_json(), strict=True)):
        one = LabeledObject(label, entry['bbox'], score=entry['score'])
        mask = result.mask(number)
        if mask is not None and mask.pixels.any():
            one.segmentation = crop_as_segmentation(mask, result.size)
            one.area = float(mask.pixels.sum())
        objects.append(one)
    path = str(result.path)
    return LabeledImage(path, Path(path).name, result.size, objects, orientation=_orientation(path))


def with_segments(result: Panoptic) -> LabeledImage:
    """Convert the result of a panoptic segmentor for an image file to objects with masks, one for each segment."""
    objects = []
    for one in result.segments:
        x1, y1, x2, y2 = one.box
        written = LabeledObject(one.label, [float(side) for side in (x1, y1, x2 - x1, y2 - y1)])
        mask = MaskCrop(y1, x1, result.ids[y1:y2, x1:x2] == one.id)
        written.segmentation, written.area = crop_as_segmentation(mask, result.size), float(one.area)
        objects.append(written)
    path = str(result.path)
    return LabeledImage(path, Path(path).name, result.size, objects, orientation=_orientation(path))


def with_label_map(result: Segmentation) -> LabeledImage:
    """Convert the result of a segmentor for an image file to a label map."""
    path, size = str(result.path), ImageSize.of(result.labels)
    return LabeledImage(path, Path(path).name, size, labels=result.labels, orientation=_orientation(path))


def _orientation(path: str) -> int:
    header = read_header(path)
    return 1 if isinstance(header, str) else header.orientation
