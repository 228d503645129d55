"""Metrics."""

from .accuracy import Accuracy
from .iou import IoU

__all__ = ['Accuracy', 'IoU']
