"""Metrics: top-k accuracy, COCO's average precision, and mean IoU."""

from .accuracy import Accuracy
from .coco import CocoAP, coco_results
from .iou import IoU

__all__ = ['Accuracy', 'CocoAP', 'IoU', 'coco_results']
