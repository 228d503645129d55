"""Leaving out of a COCO file's annotations what can't be used, and taking note of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from .coco_mask import good_polygons, mask_area, rle_fits

BORDER = 1.0  # pixels that a box may reach over the border of its image: COCO's own are that much off
NO_MASK = 'no mask, where others have one'


class Cleaned(NamedTuple):
    """Annotations that can be used."""

    by_image: dict[int, list[dict]]
    """For every image, see :class:`~convnext_dense.data.detection.coco.Coco`."""
    masks: bool
    """Whether they have masks: all have, or none."""
    noted: dict[str, list[int]]
    """What was wrong and what was done about it, with the ids of the annotations."""


def clean(annotations: list[dict], sizes: Mapping[int, tuple[int, int]]) -> Cleaned:
    """Sort out the annotations of a COCO file, as :func:`~convnext_dense.data.detection.coco.read_coco` says.

    Args:
        annotations: with unique ids, of images that exist; they are changed in place.
        sizes: height and width of every image, in pixels, by its id.
    """
    noted: dict[str, list[int]] = {}

    def note(annotation: dict, what: str) -> None:
        noted.setdefault(what, []).append(annotation['id'])

    boxed = []  # annotations with a good box, and what is wrong with their masks
    for annotation in annotations:
        size = sizes[annotation['image_id']]
        fault = _box_fault(annotation.get('bbox'), *size)
        if fault:
            note(annotation, f'dropped: {fault}')
            continue
        box, mask = annotation['bbox'], annotation.get('segmentation') or []
        annotation['bbox'] = _clipped(box, *size)
        if annotation['bbox'] != box:
            note(annotation, 'clipped: box partly outside its image')
        annotation['segmentation'], fault = _usable(mask, *size)
        if not fault and len(annotation['segmentation']) < len(mask):
            note(annotation, 'fixed: polygons without three points left out')
        boxed.append((annotation, fault))

    masks = not all(fault for _, fault in boxed)
    by_image: dict[int, list[dict]] = {image: [] for image in sizes}
    for annotation, fault in boxed:
        if fault and masks:
            note(annotation, f'dropped: {fault}')
            continue
        if not masks:
            del annotation['segmentation']
            if fault != NO_MASK:
                note(annotation, f'without its mask: {fault}')
        if not _is_area(annotation.get('area')):
            note(annotation, f'fixed: area missing, taken from the {"mask" if masks else "box"}')
            annotation['area'] = _area(annotation, *sizes[annotation['image_id']])
        annotation['iscrowd'] = int(bool(annotation.get('iscrowd')))
        if annotation.get('ignore') and not annotation['iscrowd']:
            note(annotation, "used although marked with 'ignore', which COCO's evaluation does not know")
        by_image[annotation['image_id']].append(annotation)
    return Cleaned(by_image, masks, noted)


def _box_fault(box: Any, height: int, width: int) -> str | None:
    try:
        x, y, w, h = box
        finite = math.isfinite(x + y + w + h)
    except (TypeError, ValueError):
        return 'no box of four numbers' if box else 'no box'
    if not finite:
        return 'box with NaN or infinity'
    if w <= 0 or h <= 0:
        return 'box of zero area'
    if x >= width or y >= height or x + w <= 0 or y + h <= 0:
        return 'box outside its image'
    return None


def _clipped(box: list[float], height: int, width: int) -> list[float]:
    x, y, w, h = box
    if x >= -BORDER and y >= -BORDER and x + w <= width + BORDER and y + h <= height + BORDER:
        return box
    left, top = max(x, 0), max(y, 0)
    return [left, top, min(x + w, width) - left, min(y + h, height) - top]


def _usable(mask: Any, height: int, width: int) -> tuple[Any, str | None]:
    """What is left of a mask, and what is wrong with it."""
    if not mask:
        return None, NO_MASK
    if isinstance(mask, list):
        polygons = good_polygons(mask)
        return polygons, None if polygons else 'no polygon of three points'
    return mask, None if isinstance(mask, dict) and rle_fits(mask, height, width) else 'broken RLE'


def _area(annotation: dict, height: int, width: int) -> float:
    if 'segmentation' in annotation:
        return mask_area(annotation['segmentation'], height, width)
    return annotation['bbox'][2] * annotation['bbox'][3]


def _is_area(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value > 0
