"""Overlaps of boxes: replacement for mmcv's compiled op."""

from __future__ import annotations

from torch import Tensor

from .common import to_full_precision

IOU = 0


def bbox_overlaps(bboxes1: Tensor, bboxes2: Tensor, ious: Tensor, mode: int, aligned: bool, offset: int) -> None:
    """Fill ``ious`` with the overlaps of boxes: (M, N), or (M,) of pairs.

    Args:
        bboxes1: (M, 4), x1 y1 x2 y2.
        bboxes2: (N, 4).
        ious: filled.
        mode: 0 divides by the union, 1 by the area of the first box. Two boxes without area have NaN, as in mmcv.
        aligned: compare the boxes in pairs.
        offset: 0 or 1, added to every width and height.
    """
    first, second = to_full_precision(bboxes1, bboxes2)
    area1, area2 = ((box[:, 2:] - box[:, :2] + offset).prod(1) for box in (first, second))
    if not aligned:
        first, area1 = first[:, None], area1[:, None]
    sides = first[..., 2:].minimum(second[..., 2:]) - first[..., :2].maximum(second[..., :2]) + offset
    shared = sides.clamp(min=0).prod(-1)
    ious.copy_(shared / (area1 + area2 - shared if mode == IOU else area1))
