"""Convert annotations of COCO files to the format of mmdet's transforms."""

from __future__ import annotations

from ...io.coco_format import CocoAnnotation, Instance


def to_instance(annotation: CocoAnnotation, label: int) -> Instance:
    """Convert an annotation to mmdet's format; ``label`` is the index of its category."""
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
