"""Non-maximum suppression against its definition."""

import itertools
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.helpers.ops import DEVICES, FLOATS, OURS_ONLY, REDUCED, some_boxes


def iou(a: np.ndarray, b: np.ndarray, offset: int) -> float:
    width = max(min(a[2], b[2]) - max(a[0], b[0]) + offset, 0)
    height = max(min(a[3], b[3]) - max(a[1], b[1]) + offset, 0)
    areas = [(box[2] - box[0] + offset) * (box[3] - box[1] + offset) for box in (a, b)]
    return width * height / (sum(areas) - width * height)


def reference_nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int = 0) -> list[int]:
    """Take the best box that is left, drop all that overlap it by more than the threshold, repeat."""
    b = boxes.cpu().double().numpy()
    left = sorted(range(len(b)), key=lambda i: -scores[i].item())
    kept = []
    while left:
        best = left.pop(0)
        kept.append(best)
        left = [i for i in left if iou(b[best], b[i], offset) <= iou_threshold]
    return kept


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('dtype', FLOATS)
@pytest.mark.parametrize('offset', [0, 1])
def test_nms_is_its_definition(ext: ModuleType, device: str, dtype: torch.dtype, offset: int) -> None:
    for n, threshold in itertools.product([1, 2, 60], [0.1, 0.5, 0.7]):
        boxes = some_boxes(n, 20, dtype).to(device)
        scores = torch.rand(n, generator=torch.Generator().manual_seed(1), dtype=dtype).to(device)
        kept = ext.nms(boxes, scores, iou_threshold=threshold, offset=offset)
        assert kept.dtype == torch.int64 and kept.device == boxes.device
        assert kept.tolist() == reference_nms(boxes, scores, threshold, offset)


def test_nms_offset_decides(ext: ModuleType) -> None:
    boxes = torch.tensor([[0.0, 0, 3, 3], [2, 0, 5, 3]])  # IoU 1/5, and 8/24 when pixels have width 1
    scores = torch.tensor([0.5, 0.6])
    assert ext.nms(boxes, scores, iou_threshold=0.3, offset=0).tolist() == [1, 0]
    assert ext.nms(boxes, scores, iou_threshold=0.3, offset=1).tolist() == [1]


@pytest.mark.parametrize('tenths', range(1, 10))
@pytest.mark.parametrize('dtype', FLOATS)
def test_nms_keeps_an_iou_equal_to_the_threshold(ext: ModuleType, dtype: torch.dtype, tenths: int) -> None:
    boxes = torch.tensor([[0, 0, 10, 1], [0, 0, tenths, 1]], dtype=dtype)
    scores = torch.tensor([0.9, 0.8], dtype=dtype)
    assert ext.nms(boxes, scores, iou_threshold=tenths / 10, offset=0).tolist() == [0, 1]
    assert ext.nms(boxes, scores, iou_threshold=tenths / 10 - 1e-3, offset=0).tolist() == [0]


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('dtype', REDUCED)
def test_nms_in_reduced_precision(ext: ModuleType, device: str, dtype: torch.dtype) -> None:
    boxes, scores = some_boxes(30, 20, dtype).to(device), torch.arange(30, device=device)
    kept = ext.nms(boxes, scores.to(dtype), iou_threshold=0.4, offset=0)
    assert kept.tolist() == reference_nms(boxes, scores, 0.4)
    assert ext.nms(boxes, scores.float(), iou_threshold=0.4, offset=0).tolist() == kept.tolist()


@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('dtype', FLOATS + REDUCED)
def test_nms_of_nothing(ext: ModuleType, dtype: torch.dtype, offset: int) -> None:
    boxes, scores = torch.empty(0, 4, dtype=dtype), torch.empty(0, dtype=dtype)
    kept = ext.nms(boxes, scores, iou_threshold=0.5, offset=offset)
    assert kept.shape == (0,) and kept.dtype == torch.int64


@OURS_ONLY
@pytest.mark.parametrize('dtype', FLOATS)
@pytest.mark.parametrize('split_thr', [10000, 10])
@pytest.mark.parametrize('class_agnostic', [False, True])
def test_batched_nms(dtype: torch.dtype, split_thr: int, class_agnostic: bool) -> None:
    from mmcv.ops import batched_nms

    boxes = some_boxes(40, 20, dtype).abs()
    scores = torch.rand(40, generator=torch.Generator().manual_seed(1), dtype=dtype)
    labels = torch.arange(40) % 3
    if class_agnostic and split_thr < 40:
        labels = torch.zeros_like(labels)  # mmcv's split path goes by label even then
    groups = [torch.arange(40)] if class_agnostic else [(labels == c).nonzero()[:, 0] for c in range(3)]
    expected = [g[k].item() for g in groups for k in reference_nms(boxes[g], scores[g], 0.3)]
    expected.sort(key=lambda i: -scores[i].item())

    config = dict(type='nms', iou_threshold=0.3, split_thr=split_thr)
    dets, kept = batched_nms(boxes, scores, labels, config, class_agnostic=class_agnostic)
    assert kept.tolist() == expected
    assert dets.dtype == dtype and torch.equal(dets, torch.cat([boxes, scores[:, None]], 1)[expected])


@OURS_ONLY
@pytest.mark.parametrize('dtype', REDUCED)
def test_batched_nms_in_reduced_precision_and_of_nothing(dtype: torch.dtype) -> None:
    from mmcv.ops import batched_nms, nms

    boxes, scores = some_boxes(20, 20, dtype), torch.arange(20).to(dtype)
    dets, kept = batched_nms(boxes, scores, torch.zeros(20), dict(type='nms', iou_threshold=0.4))
    assert dets.dtype == dtype and kept.tolist() == reference_nms(boxes, scores, 0.4)
    dets, kept = nms(boxes[:0], scores[:0], 0.5)
    assert dets.shape == (0, 5) and kept.shape == (0,)
