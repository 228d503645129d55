"""Convert annotations of COCO files to the format of mmdet's transforms."""

from __future__ import annotations

from ...io.coco_format import IGNORE_REGION, CocoAnnotation, Instance
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


def to_learned_instance(annotation: CocoAnnotation, label: int, learns_masks: bool) -> Instance:
    """Convert an annotation like :func:`to_instance`, for training.

    Ignore regions have the label :data:`~convnext_dense.io.coco_format.IGNORE_REGION`. If masks are learned, objects
    without one are ignore regions too, and the mask of every region is its rectangle.
    """
    instance = to_instance(annotation, label)
    if learns_masks and 'mask' not in instance:
        instance['mask'] = rectangle_mask(annotation['bbox'])
        if not annotation['iscrowd']:
            instance['ignore_flag'] = 1
            instance['bbox_label'] = IGNORE_REGION
    if annotation.get('ignored'):
        instance['bbox_label'] = IGNORE_REGION
    return instance
