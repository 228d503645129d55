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


# ------------------------------------------------- soft, with groups, and of lanes


def reference_soft_nms(
    boxes: np.ndarray, scores: np.ndarray, method: str, threshold: float, sigma: float, min_score: float, offset: int
) -> tuple[list[int], list[float]]:
    """Take the best box that is left, lower all that overlap it, drop those below the least score, repeat."""
    left, scores = list(range(len(boxes))), scores.copy()
    kept, kept_scores = [], []
    while left:
        best = max(left, key=lambda i: scores[i])
        left.remove(best)
        kept.append(best)
        kept_scores.append(scores[best])
        for i in left:
            overlap = iou(boxes[best], boxes[i], offset)
            if method == 'gaussian':
                scores[i] *= np.exp(-(overlap**2) / sigma)
            elif overlap >= threshold:
                scores[i] *= 1 - overlap if method == 'linear' else 0
        left = [i for i in left if scores[i] >= min_score]
    return kept, kept_scores


@OURS_ONLY
@pytest.mark.parametrize('dtype', FLOATS)
@pytest.mark.parametrize('method', ['naive', 'linear', 'gaussian'])
@pytest.mark.parametrize('offset', [0, 1])
def test_soft_nms_is_its_definition(dtype: torch.dtype, method: str, offset: int) -> None:
    from mmcv.ops import soft_nms

    for n, min_score in [(1, 0.001), (50, 0.001), (50, 0.3)]:
        boxes = some_boxes(n, 20, dtype)
        scores = torch.rand(n, generator=torch.Generator().manual_seed(1), dtype=dtype)
        dets, kept = soft_nms(boxes, scores, 0.3, 0.5, min_score, method, offset)
        expected, expected_scores = reference_soft_nms(
            boxes.double().numpy(), scores.double().numpy(), method, 0.3, 0.5, min_score, offset
        )
        assert kept.tolist() == expected and dets.dtype == dtype
        assert torch.equal(dets[:, :4], boxes[expected])
        torch.testing.assert_close(dets[:, 4], torch.tensor(expected_scores, dtype=dtype), rtol=1e-5, atol=1e-6)


@OURS_ONLY
def test_soft_nms_among_equal_scores_goes_on_as_mmcv_does() -> None:
    """mmcv fills the place of a dropped box with the last one that is left."""
    from mmcv.ops import soft_nms

    left = torch.tensor([0, 0, 0, 20, 40, 60, 80])
    boxes = torch.stack([left, torch.zeros(7), left + 9, torch.full((7,), 9)], 1)
    scores = torch.tensor([0.9, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5])
    dets, kept = soft_nms(boxes, scores, method='naive')
    assert kept.tolist() == [0, 6, 5, 3, 4] and torch.equal(dets[:, :4], boxes[kept])
    assert dets[:, 4].tolist() == pytest.approx([0.9, 0.5, 0.5, 0.5, 0.5])
    assert scores.tolist() == pytest.approx([0.9, *[0.5] * 6])  # as they were


@OURS_ONLY
def test_soft_nms_of_nothing_of_boxes_without_area_and_in_a_detector() -> None:
    from mmcv.ops import batched_nms, soft_nms

    dets, kept = soft_nms(torch.empty(0, 4), torch.empty(0))
    assert dets.shape == (0, 5) and kept.shape == (0,) and kept.dtype == torch.int64
    points = torch.tensor([[3.0, 1, 3, 1]] * 3)
    for method in ('naive', 'linear', 'gaussian'):
        dets, kept = soft_nms(points, torch.tensor([0.5, 0.9, 0.0]), method=method)
        assert kept.tolist() == [1, 0]
        assert dets[:, 4].tolist() == pytest.approx([0.9, 0.5])
    boxes, labels = some_boxes(20, 10, torch.float32).abs(), torch.arange(20) % 2
    dets, kept = batched_nms(boxes, torch.rand(20), labels, dict(type='soft_nms', iou_threshold=0.5, min_score=0.05))
    assert torch.equal(dets[:, :4], boxes[kept]) and (dets[1:, 4] <= dets[:-1, 4]).all()


@OURS_ONLY
@pytest.mark.parametrize('dtype', FLOATS + REDUCED)
def test_nms_match_groups_what_each_box_drops(dtype: torch.dtype) -> None:
    from mmcv.ops import nms_match

    boxes = some_boxes(40, 20, dtype)
    scores = torch.randperm(40, generator=torch.Generator().manual_seed(1)).to(dtype)
    rows, left = boxes.double().numpy(), scores.argsort(descending=True).tolist()
    expected = []
    while left:
        best = left.pop(0)
        group = [i for i in left if iou(rows[best], rows[i], 0) >= 0.3]
        left = [i for i in left if i not in group]
        expected.append([best, *group])
    matched = nms_match(torch.cat([boxes, scores[:, None]], 1), 0.3)
    assert [group.tolist() for group in matched] == expected
    assert all(group.dtype == torch.int64 for group in matched)
    assert nms_match(torch.empty(0, 5), 0.3) == []


def reference_line_nms(lanes: np.ndarray, scores: np.ndarray, threshold: float, top_k: int) -> tuple[list, list]:
    count, parents, kept = lanes.shape[1] - 5, [0] * len(lanes), []
    for best in sorted(range(len(lanes)), key=lambda i: -scores[i]):
        if parents[best] or len(kept) == top_k:
            continue
        kept.append(best)
        for i in range(len(lanes)):
            first = [int(lanes[k, 2] * (count - 1) + 0.5) for k in (best, i)]
            last = [f + int(lanes[k, 4]) - 1 for f, k in zip(first, (best, i), strict=True)]
            rows = range(max(first), min([*last, count - 1]) + 1)
            distances = [abs(lanes[best, 5 + row] - lanes[i, 5 + row]) for row in rows]
            if i == best or (not parents[i] and distances and np.mean(distances) < threshold):
                parents[i] = len(kept)
    return kept, parents


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('top_k', [3, 50])
@OURS_ONLY
def test_line_nms_is_its_definition(device: str, top_k: int) -> None:
    from mmcv.ops import line_nms

    generator = torch.Generator().manual_seed(0)
    lanes = torch.rand(30, 77, generator=generator)
    lanes[:, 4] = (lanes[:, 4] * 60 + 1).floor() + 0.5
    lanes[:, 5:] = torch.randint(0, 6, (30, 1), generator=generator) * 10 + 6 * lanes[:, 5:]
    scores = torch.rand(30, generator=generator)
    kept, count, parents = line_nms(lanes.to(device), scores.to(device), 3.0, top_k)
    expected, expected_parents = reference_line_nms(lanes.double().numpy(), scores.numpy(), 3.0, top_k)
    assert 3 <= len(expected) < 30
    assert kept[:count].tolist() == expected and parents.tolist() == expected_parents
    assert kept.shape == (30,) and not kept[count:].any()


def test_line_nms_of_nothing_and_of_lanes_without_rows(ext: ModuleType) -> None:
    kept, count, parents = ext.line_nms_forward(torch.empty(0, 77), torch.empty(0), 3.0, 5)
    assert kept.shape == parents.shape == (0,) and count == 0
    kept, count, parents = ext.line_nms_forward(torch.zeros(2, 77), torch.tensor([0.1, 0.2]), 3.0, 5)
    assert kept.tolist() == [1, 0] and count == 2 and parents.tolist() == [2, 1]
