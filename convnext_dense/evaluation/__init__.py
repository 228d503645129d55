"""Metrics: top-k accuracy, COCO's average precision, mean IoU, and panoptic quality."""

from .accuracy import Accuracy
from .coco import CocoAP, coco_results
from .iou import IoU
from .panoptic import PanopticQuality

__all__ = ['Accuracy', 'CocoAP', 'IoU', 'PanopticQuality', 'coco_results']
