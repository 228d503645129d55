"""Metrics."""

from .accuracy import Accuracy
from .coco import CocoAP, coco_results

__all__ = ['Accuracy', 'CocoAP', 'coco_results']
