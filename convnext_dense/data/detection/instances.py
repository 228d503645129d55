"""Annotations of COCO files in the form that mmdet's transforms take."""

from __future__ import annotations

from ...io.coco_format import CocoAnnotation, Instance


def to_instance(annotation: CocoAnnotation, label: int) -> Instance:
    """Convert an annotation, whose category has this label, to mmdet's form."""
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
