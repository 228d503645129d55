"""Overlaps of boxes against their definition."""

import pytest
import torch

from tests.helpers.ops import DEVICES, FLOATS, OURS_ONLY, REDUCED, some_boxes


def overlap(a: list[float], b: list[float], mode: str, offset: int) -> float:
    sides = [max(min(a[i + 2], b[i + 2]) - max(a[i], b[i]) + offset, 0) for i in (0, 1)]
    areas = [(box[2] - box[0] + offset) * (box[3] - box[1] + offset) for box in (a, b)]
    shared = sides[0] * sides[1]
    return shared / (sum(areas) - shared if mode == 'iou' else areas[0])


@OURS_ONLY
@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('dtype', FLOATS)
@pytest.mark.parametrize('mode', ['iou', 'iof'])
@pytest.mark.parametrize('offset', [0, 1])
def test_overlaps_are_their_definition(device: str, dtype: torch.dtype, mode: str, offset: int) -> None:
    from mmcv.ops import bbox_overlaps

    first, second = (some_boxes(8, 10, dtype, seed).to(device) for seed in (0, 1))
    expected = [[overlap(a, b, mode, offset) for b in second.tolist()] for a in first.tolist()]
    expected = torch.tensor(expected, dtype=dtype, device=device)
    assert (expected > 0).any() and (expected == 0).any()
    tolerance = dict(rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(bbox_overlaps(first, second, mode, False, offset), expected, **tolerance)
    torch.testing.assert_close(bbox_overlaps(first, second, mode, True, offset), expected.diag(), **tolerance)


@OURS_ONLY
def test_overlaps_of_nothing_and_in_reduced_precision() -> None:
    from mmcv.ops import bbox_overlaps

    boxes = some_boxes(4, 10, torch.float32)
    assert bbox_overlaps(boxes[:0], boxes).shape == (0, 4)
    for dtype in REDUCED:
        reduced = bbox_overlaps(boxes.to(dtype), boxes.to(dtype))
        assert reduced.dtype == dtype
        expected = bbox_overlaps(boxes.to(dtype).float(), boxes.to(dtype).float())
        assert torch.equal(reduced, expected.to(dtype))
