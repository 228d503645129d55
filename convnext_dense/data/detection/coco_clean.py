"""Fix the annotations of a COCO file, drop unusable ones, and list both."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from ...io.coco_format import CocoAnnotation
from ...io.image_size import ImageSize
from .coco_mask import mask_area, rle_fits, valid_polygons

BORDER = 1.0  # pixels that a box may extend beyond its image, as some of COCO's own do
NO_MASK = 'no mask, where others have one'


class CleanedAnnotations(NamedTuple):
    """The usable annotations of a file."""

    by_image: dict[int, list[CocoAnnotation]]
    """Annotations by image id; see :class:`~convnext_dense.data.detection.coco.CocoData`."""
    has_masks: bool
    """True if all annotations have masks, False if none has."""
    faults: dict[str, list[int]]
    """Ids of the affected annotations by message (the action and the fault)."""


def clean_annotations(annotations: list[Any], sizes: Mapping[int, ImageSize]) -> CleanedAnnotations:
    """Fix or drop annotations by the rules of :func:`~convnext_dense.data.detection.coco.read_coco`.

    Args:
        annotations: annotations of the file, with unique ids and existing images; changed in place.
        sizes: size of each image by its id.
    """
    faults: dict[str, list[int]] = {}

    def note(annotation: Mapping, message: str) -> None:
        faults.setdefault(message, []).append(annotation['id'])

    boxed = []  # annotations with a valid box, and the fault of each mask
    for annotation in annotations:
        size = sizes[annotation['image_id']]
        fault = _box_fault(annotation.get('bbox'), size)
        if fault:
            note(annotation, f'dropped: {fault}')
            continue
        box, mask = annotation['bbox'], annotation.get('segmentation') or []
        annotation['bbox'] = _clipped(box, size)
        if annotation['bbox'] != box:
            note(annotation, 'clipped: box partly outside its image')
        annotation['segmentation'], fault = _usable_mask(mask, size)
        if not fault and len(annotation['segmentation']) < len(mask):
            note(annotation, 'fixed: polygons without three points left out')
        boxed.append((annotation, fault))

    has_masks = not all(fault for _, fault in boxed)
    by_image: dict[int, list[Any]] = {image: [] for image in sizes}
    for annotation, fault in boxed:
        if fault and has_masks:
            note(annotation, f'dropped: {fault}')
            continue
        if not has_masks:
            del annotation['segmentation']
            if fault != NO_MASK:
                note(annotation, f'without its mask: {fault}')
        if not _is_area(annotation.get('area')):
            note(annotation, f'fixed: area missing, taken from the {"mask" if has_masks else "box"}')
            annotation['area'] = _area(annotation, sizes[annotation['image_id']])
        annotation['iscrowd'] = int(bool(annotation.get('iscrowd')))
        if annotation.get('ignore') and not annotation['iscrowd']:
            note(annotation, "used although marked with 'ignore', which COCO's evaluation does not know")
        by_image[annotation['image_id']].append(annotation)
    return CleanedAnnotations(by_image, has_masks, faults)


def _box_fault(box: Any, size: ImageSize) -> str | None:
    try:
        x, y, w, h = box
        finite = math.isfinite(x + y + w + h)
    except (TypeError, ValueError):
        return 'no box of four numbers' if box else 'no box'
    if not finite:
        return 'box with NaN or infinity'
    if w <= 0 or h <= 0:
        return 'box of zero area'
    if x >= size.width or y >= size.height or x + w <= 0 or y + h <= 0:
        return 'box outside its image'
    return None


def _clipped(box: list[float], size: ImageSize) -> list[float]:
    x, y, w, h = box
    height, width = size
    if x >= -BORDER and y >= -BORDER and x + w <= width + BORDER and y + h <= height + BORDER:
        return box
    left, top = max(x, 0), max(y, 0)
    return [left, top, min(x + w, width) - left, min(y + h, height) - top]


def _usable_mask(mask: Any, size: ImageSize) -> tuple[Any, str | None]:
    """Return the usable part of a mask, and the mask's fault if nothing is usable."""
    if not mask:
        return None, NO_MASK
    if isinstance(mask, list):
        polygons = valid_polygons(mask)
        return polygons, None if polygons else 'no polygon of three points'
    return mask, None if isinstance(mask, dict) and rle_fits(mask, size) else 'broken RLE'


def _area(annotation: CocoAnnotation, size: ImageSize) -> float:
    if 'segmentation' in annotation:
        return mask_area(annotation['segmentation'], size)
    return annotation['bbox'][2] * annotation['bbox'][3]


def _is_area(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value > 0
