"""Metrics: top-k accuracy, COCO's average precision, mean IoU, panoptic quality, and the loss of reconstructions."""

from .accuracy import Accuracy
from .coco import CocoAP, coco_results
from .iou import IoU
from .panoptic import PanopticQuality
from .reconstruction import ReconstructionLoss

__all__ = ['Accuracy', 'CocoAP', 'IoU', 'PanopticQuality', 'ReconstructionLoss', 'coco_results']
