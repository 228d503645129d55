"""Non-maximum suppression: replacement for mmcv's compiled op of the same name."""

import torch
from torch import Tensor

from .common import to_full_precision


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Run greedy non-maximum suppression and return the indices of the kept boxes, highest score first.

    Args:
        boxes: (N, 4), x1 y1 x2 y2 in pixels.
        scores: (N,).
        iou_threshold: a box is dropped when its IoU with a kept one is greater.
        offset: 0 or 1 pixels, added to every width and height.
    """
    from torchvision.ops import nms as torchvision_nms

    boxes, scores = to_full_precision(boxes, scores)
    if offset:
        boxes = boxes + boxes.new_tensor([0, 0, offset, offset])
    # compared in the boxes' own precision, as mmcv does: an IoU of exactly 0.6 is not above 0.6
    return torchvision_nms(boxes, scores, torch.tensor(iou_threshold, dtype=boxes.dtype).item())
