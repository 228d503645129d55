"""Non-maximum suppression, plain, soft, with groups, and of lanes: replacements for mmcv's four compiled ops."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .common import to_full_precision

NAIVE, LINEAR, GAUSSIAN = 0, 1, 2


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


def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Lower the scores of boxes that overlap a better one, and return the indices of the kept boxes, best first.

    Paper: "Soft-NMS" (arXiv 1704.04503).

    Args:
        boxes: (N, 4), x1 y1 x2 y2 in pixels.
        scores: (N,).
        dets: (N, 5), filled with the kept boxes and their scores; the rows after them are undefined.
        iou_threshold: boxes with at least this IoU are lowered.
        sigma: of the Gaussian.
        min_score: boxes with a score below it, after lowering, are dropped.
        method: 0 sets scores to 0, 1 multiplies them by 1 - IoU, and 2, which lowers all boxes, by
            exp(-IoU^2 / sigma).
        offset: 0 or 1 pixels, added to every width and height.
    """
    table = torch.cat([*to_full_precision(boxes, scores[:, None])], 1).cpu().numpy().copy()  # x1 y1 x2 y2 score
    table = np.concatenate([table, np.zeros_like(table[:, :1])], 1)
    table[:, 5] = (table[:, 2] - table[:, 0] + offset) * (table[:, 3] - table[:, 1] + offset)
    order, left, best = np.arange(len(table)), len(table), 0
    threshold = table.dtype.type(iou_threshold)
    while best < left:
        found = best + int(np.argmax(np.nan_to_num(table[best:left, 4], nan=-np.inf)))
        table[[best, found]], order[[best, found]] = table[[found, best]], order[[found, best]]
        rest = table[best + 1 : left]
        iou = _iou(table[best], rest, offset)
        if method == GAUSSIAN:
            factor = np.exp(-(iou * iou) / table.dtype.type(sigma))
        else:
            factor = np.where(iou >= threshold, 1 - iou if method == LINEAR else 0, 1)
        rest[:, 4] *= factor.astype(table.dtype)
        stay = _moved_up(rest[:, 4] >= table.dtype.type(min_score))
        table[best + 1 : best + 1 + len(stay)] = rest[stay]
        order[best + 1 : best + 1 + len(stay)] = order[best + 1 : left][stay]
        best, left = best + 1, best + 1 + len(stay)
    dets[:left] = torch.from_numpy(table[:left, :5]).to(dets)
    return torch.from_numpy(order[:left]).to(boxes.device)


def nms_match(dets: Tensor, iou_threshold: float) -> list[list[int]]:
    """Run greedy non-maximum suppression and return, for each kept box, its index and those of the boxes it drops.

    Args:
        dets: (N, 5), x1 y1 x2 y2 in pixels, and score.
        iou_threshold: a box is dropped when its IoU with a kept one is at least this.
    """
    (boxes,) = to_full_precision(dets)
    order = boxes[:, 4].sort(descending=True)[1].cpu().numpy()
    area = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))[:, None]
    table = torch.cat([boxes[:, :5], area], 1).cpu().numpy()
    threshold = table.dtype.type(iou_threshold)
    groups = []
    while len(order):
        kept, rest = order[0], order[1:]
        dropped = _iou(table[kept], table[rest]) >= threshold
        groups.append([int(kept), *rest[dropped].tolist()])
        order = rest[~dropped]
    return groups


def line_nms_forward(boxes: Tensor, scores: Tensor, overlap: float, top_k: int) -> list[Tensor]:
    """Run greedy non-maximum suppression of lanes, as CLRNet's head wants it.

    Args:
        boxes: (N, 5 + P): two scores, where the lane starts in [0, 1], one value, how many of the P rows it has, and
            its x in each of the rows.
        scores: (N,).
        overlap: a lane is dropped when its mean distance in x to a kept one, over the rows that both have, is
            smaller.
        top_k: lanes to keep.

    Returns:
        Indices of the kept lanes, highest score first, filled up with 0 to (N,); their number; and the number, from 1
        on, of the kept lane to which each lane belongs, or 0, (N,).
    """
    (lanes,) = to_full_precision(boxes)
    order = scores.sort(descending=True)[1]
    count, row_count = len(lanes), lanes.shape[1] - 5
    # int() of the compiled op cuts towards 0, after adding a half
    start = (lanes[:, 2] * (row_count - 1) + 0.5).trunc().long()
    end = start + lanes[:, 4].trunc().long() - 1 + (0.5 - (lanes[:, 4] < 1).to(lanes)).trunc().long()
    row = torch.arange(row_count, device=lanes.device)
    kept = torch.zeros(count, dtype=torch.long, device=lanes.device)
    parent = torch.zeros_like(kept)
    free = torch.ones(count, dtype=torch.bool, device=lanes.device)
    found = 0
    for lane in order.tolist():
        if found == top_k:
            break
        if not free[lane]:
            continue
        first, last = start.clamp(min=int(start[lane])), end.clamp(max=min(int(end[lane]), row_count - 1))
        shared = (row >= first[:, None]) & (row <= last[:, None])
        distance = torch.where(shared, (lanes[:, 5:] - lanes[lane, 5:]).abs(), 0).sum(1)
        close = (last >= first) & (first >= 0) & (distance < overlap * (last - first + 1))
        kept[found] = lane
        found += 1
        close[lane] = True
        parent[close & free] = found
        free &= ~close
    return [kept, torch.tensor(found, device=lanes.device), parent]


def _iou(box: np.ndarray, others: np.ndarray, offset: int = 0) -> np.ndarray:
    """Return the IoUs of one box with others: rows of x1 y1 x2 y2 score area. Without any area they are 0."""
    width = np.minimum(box[2], others[:, 2]) - np.maximum(box[0], others[:, 0]) + offset
    height = np.minimum(box[3], others[:, 3]) - np.maximum(box[1], others[:, 1]) + offset
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    union = box[5] + others[:, 5] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union != 0)


def _moved_up(stays: np.ndarray) -> np.ndarray:
    """Return indices of the rows that stay: gaps are filled from the end, which decides among equal scores."""
    count = int(stays.sum())
    places = np.arange(count)
    places[~stays[:count]] = count + np.flatnonzero(stays[count:])[::-1]
    return places
