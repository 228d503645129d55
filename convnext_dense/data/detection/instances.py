"""Convert annotations of COCO files to the format of mmdet's transforms."""

from __future__ import annotations

from typing import Any

from ...io.coco_format import IGNORE_REGION, UNMASKED, CocoAnnotation, Instance
from .coco_mask import rectangle_mask


def to_instance(annotation: CocoAnnotation, label: int) -> Instance:
    """Convert an annotation to mmdet's format; ``label`` is the index of its class."""
    x, y, width, height = annotation['bbox']
    instance: Instance = {
        'bbox': [x, y, x + width, y + height],
        'bbox_label': label,
        'ignore_flag': annotation['iscrowd'],
        'area': annotation['area'],
    }
    if 'segmentation' in annotation:
        instance['mask'] = annotation['segmentation']
    return instance


def to_learned_instance(
    annotation: CocoAnnotation, label: int, learns_masks: bool, keeps_unmasked: bool = False
) -> Instance:
    """Convert an annotation like :func:`to_instance`, for training.

    Ignore regions have the label :data:`~convnext_dense.io.coco_format.IGNORE_REGION`. If masks are learned, objects
    without one are ``unmasked``, or ignore regions too, and the mask of every region is its rectangle.

    Args:
        annotation: the annotation.
        label: the index of its class.
        learns_masks: whether masks are learned.
        keeps_unmasked: whether objects without a mask are learned as boxes, rather than ignored.
    """
    instance = to_instance(annotation, label)
    if learns_masks and 'mask' not in instance:
        instance['mask'] = rectangle_mask(annotation['bbox'])
        if keeps_unmasked and not annotation['iscrowd']:
            instance['unmasked'] = True
        elif not annotation['iscrowd']:
            instance['ignore_flag'] = 1
            instance['bbox_label'] = IGNORE_REGION
    if annotation.get('ignored'):
        instance['bbox_label'] = IGNORE_REGION
    return instance


class MarkUnmasked:
    """Transform that fills the bitmaps of ``unmasked`` instances with
    :data:`~convnext_dense.io.coco_format.UNMASKED`.

    It follows mmdet's ``LoadAnnotations``. The mark fills the image, so that it survives what moves and resizes masks,
    and is told from a mask of which a crop leaves nothing.
    """

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        for place, instance in enumerate(results['instances']):
            if instance.get('unmasked'):
                results['gt_masks'].masks[place] = UNMASKED
        return results
