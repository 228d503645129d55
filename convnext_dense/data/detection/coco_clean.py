"""Fix the annotations of a COCO file, make ignore regions of those that can't be, and list both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from ...io.coco_format import CocoAnnotation
from ...io.image_size import ImageSize
from ..check.records import NOTE, WARNING
from ..formats.faults import Fault
from ..formats.shapes import is_far
from ..formats.values import read_flag, read_number
from .boxes import (
    Box,
    BoxReading,
    Corners,
    box_fault,
    box_of_corners,
    clip_box,
    corners_of_box,
    overlap,
    read_box,
    upright_box,
)
from .coco_mask import AS_TEXT, FAR_POLYGON, NO_MASK, MaskReading, mask_area, mask_extent, read_mask, rectangle_mask

EMPTY: Mapping[int, str] = MappingProxyType({})
AGREEMENT = 0.5
"""Intersection over union of a box and the edges of its mask below which both are listed."""
BROKEN_MASK = 'without its mask: '
"""Beginning of a fault of a file in which no mask can be read."""
DOUBTFUL = 'used although box and mask differ by more than half'


class Shapes(NamedTuple):
    """Box and mask of an annotation, as far as they can be read."""

    box: BoxReading
    mask: MaskReading
    extent: Corners | None
    """Edges of the mask; None for a crowd."""


class CleanedAnnotations(NamedTuple):
    """The usable annotations of a file."""

    by_image: dict[int, list[CocoAnnotation]]
    """Annotations by image id; see :class:`~convnext_dense.data.detection.coco.CocoData`."""
    has_masks: bool
    """True if an annotation has a mask."""
    faults: list[Fault]
    lost: int
    """Number of annotations that were dropped or became ignore regions."""
    doubtful: int
    """Number of annotations whose box and mask contradict each other."""


def read_shapes(annotation: Mapping, size: ImageSize, box_format: str) -> Shapes:
    """Read the box and the mask of an annotation whose ``iscrowd`` is 0 or 1.

    Args:
        annotation: the annotation.
        size: the size of its image.
        box_format: a name in :data:`.boxes.FORMATS`.
    """
    box = read_box(annotation.get('bbox'), box_format)
    mask = read_mask(annotation.get('segmentation'), size, box.box)
    is_polygons = isinstance(mask.mask, list)
    is_crowd = annotation['iscrowd']
    extent = mask_extent(mask.mask, size) if is_polygons or not (mask.fault or is_crowd) else None
    if is_polygons and extent is not None and is_far(extent, size):
        mask, extent = MaskReading(fault=FAR_POLYGON), None
    return Shapes(box, mask, None if is_crowd else extent)


def clean_annotations(
    annotations: list[Any],
    shapes: list[Shapes],
    sizes: Mapping[int, ImageSize],
    unreadable: Mapping[int, str] = EMPTY,
    ignored: Mapping[int, str] = EMPTY,
    tells_areas: bool = True,
) -> CleanedAnnotations:
    """Fix annotations, or turn them into ignore regions, by the rules of :func:`.coco.read_coco`.

    Args:
        annotations: annotations of the file, with unique ids, existing images and categories; changed in place.
        shapes: of each.
        sizes: size of each image by its id.
        unreadable: the reason why an annotation has no usable box or mask, by its id.
        ignored: the reason why an annotation is ignored by a rule of its format, by its id; it is not lost.
        tells_areas: False for a format whose annotations have no ``area``, so that a missing one is no fault.
    """
    found: dict[tuple[str, str], list[int]] = {}

    def note(annotation: Mapping, message: str, level: str = WARNING) -> None:
        found.setdefault((message, level), []).append(annotation['id'])

    has_masks = not all(mask.fault for _, mask, _ in shapes)
    by_image: dict[int, list[Any]] = {image: [] for image in sizes}
    lost = doubtful = 0
    for annotation, (reading, mask, extent) in zip(annotations, shapes, strict=True):
        size = sizes[annotation['image_id']]
        annotation['ignored'] = False
        box, reason = reading.box, unreadable.get(annotation['id'])
        fault = reason or (reading.fault if box is None else box_fault(box, size))
        if mask.fault == FAR_POLYGON and not reason and (box is None or clip_box(box, size) != box):
            fault = FAR_POLYGON  # of which the box may be made
        if fault and not reason and (from_mask := _box_of_mask(mask, size)):
            note(annotation, f'fixed: {fault}, taken from the mask')
            box, fault = from_mask, None
        if fault:
            lost += annotation['id'] not in ignored
            region = _region(box, size)
            if region is None:
                note(annotation, f'dropped: {fault}')
                continue
            note(annotation, f'ignored, {"the whole image" if box is None else "with its area"}: {fault}')
            annotation |= {'bbox': region, 'iscrowd': 1, 'ignored': True, 'segmentation': rectangle_mask(region)}
        else:
            assert box is not None
            annotation['bbox'] = clip_box(box, size)
            if annotation['bbox'] != box:
                note(annotation, 'clipped: box partly outside its image')
            if extent is not None and not _agree(annotation['bbox'], extent, size):
                doubtful += annotation['id'] not in ignored
                note(annotation, DOUBTFUL)
            annotation['segmentation'] = mask.mask
            if reason := ignored.get(annotation['id']):
                note(annotation, f'ignored, with its area: {reason}', NOTE)
                region = annotation['bbox']
                annotation |= {'iscrowd': 1, 'ignored': True, 'segmentation': rectangle_mask(region)}
            elif mask.fault and has_masks:
                note(annotation, f'used as a box only: {mask.fault}')
            elif mask.fault and mask.fault != NO_MASK:
                note(annotation, f'{BROKEN_MASK}{mask.fault}')
            for repair in dict.fromkeys([*([AS_TEXT] if reading.is_text else []), *mask.repairs]):
                note(annotation, repair, NOTE)
        if not has_masks or annotation['segmentation'] is None:
            del annotation['segmentation']
        _set_area(annotation, size, note if tells_areas else None)
        if not annotation['ignored']:
            del annotation['ignored']
        if read_flag(annotation.get('ignore') or 0) != 0 and not annotation['iscrowd']:
            note(annotation, "used although marked with 'ignore', which COCO's evaluation does not know")
        by_image[annotation['image_id']].append(annotation)
    faults = [Fault(message, ids, level=level) for (message, level), ids in found.items()]
    return CleanedAnnotations(by_image, has_masks, faults, lost, doubtful)


def _agree(box: Box, extent: Corners, size: ImageSize) -> bool:
    inside = clip_box(box_of_corners(extent), size)
    return overlap(corners_of_box(box), corners_of_box(inside)) >= AGREEMENT


def _box_of_mask(mask: MaskReading, size: ImageSize) -> Box | None:
    """Return the box around a mask, or None if there is no usable one."""
    extent = None if mask.fault else mask_extent(mask.mask, size)
    box = None if extent is None else box_of_corners(extent)
    return None if box is None or box_fault(box, size) else box


def _region(box: Box | None, size: ImageSize) -> Box | None:
    """Return the part of the image where an unusable box may have meant an object, or None if there is none."""
    if box is None:
        return [0, 0, size.width, size.height]
    region = upright_box(box)
    return None if box_fault(region, size) else clip_box(region, size)


def _set_area(annotation: Any, size: ImageSize, note: Callable[..., None] | None) -> None:
    """Set ``area`` to a number: the file's, or else that of the mask or box."""
    area = read_number(annotation.get('area'))
    if area is not None and area > 0 and not annotation['ignored']:
        if isinstance(annotation['area'], str) and note:
            note(annotation, AS_TEXT, NOTE)
        annotation['area'] = area
        return
    if not annotation['ignored'] and note:
        source = 'mask' if 'segmentation' in annotation else 'box'
        note(annotation, f'fixed: area missing, taken from the {source}')
    annotation['area'] = _area(annotation, size)


def _area(annotation: CocoAnnotation, size: ImageSize) -> float:
    if 'segmentation' in annotation:
        return mask_area(annotation['segmentation'], size)
    return annotation['bbox'][2] * annotation['bbox'][3]
