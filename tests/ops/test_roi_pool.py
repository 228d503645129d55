"""RoIPool against its definition: the maximum of the cells that a bin touches."""

import math

import pytest
import torch
from torch import Tensor

from tests.helpers.op_definitions import compare
from tests.helpers.ops import DEVICES, OURS_ONLY, REDUCED, some_boxes

SIZE, SCALE = (3, 2), 0.5


def reference(features: Tensor, rois: Tensor) -> Tensor:
    """(K, C, *SIZE): from the first cell that a bin touches to the last one; x2 and y2 are inside a box."""
    pooled = features.new_zeros(len(rois), features.shape[1], *SIZE)
    for k, (image, x1, y1, x2, y2) in enumerate(rois.tolist()):
        start, extent = (y1 * SCALE, x1 * SCALE), ((y2 + 1 - y1) * SCALE, (x2 + 1 - x1) * SCALE)
        if min(extent) <= 0:
            continue
        for i in range(SIZE[0]):
            for j in range(SIZE[1]):
                places = []
                for axis, index in enumerate((i, j)):
                    first = math.floor(start[axis] + index * extent[axis] / SIZE[axis])
                    last = math.ceil(start[axis] + (index + 1) * extent[axis] / SIZE[axis])
                    side = features.shape[2 + axis]
                    places.append(slice(min(max(first, 0), side), min(max(last, 0), side)))
                cells = features[int(image), :, places[0], places[1]].flatten(1)
                if cells.shape[1]:
                    pooled[k, :, i, j] = cells.amax(1)
    return pooled


def some_rois() -> Tensor:
    """Inside, across borders, far outside, and without extent."""
    odd = torch.tensor([[-6, -5, 30, 29], [40, 40, 60, 60], [5, 6, 5, 6], [3, 9, 2, 11], [8, 2, 5, 9]])
    boxes = torch.cat([some_boxes(8, 18, torch.float64, seed=2), odd.double()])
    return torch.cat([(torch.arange(len(boxes)) % 2)[:, None].double(), boxes], 1)


@OURS_ONLY
def test_roi_pool_is_its_definition() -> None:
    from mmcv.ops import RoIPool

    features = torch.randn(2, 3, 9, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    pool, rois = RoIPool(SIZE, SCALE), some_rois()
    assert (reference(features, rois) == 0).any(1).any()
    compare(lambda x: pool(x, rois.to(x)), lambda x: reference(x, rois), features.requires_grad_())


@OURS_ONLY
@pytest.mark.parametrize('device', DEVICES)
def test_of_equal_cells_the_first_has_the_gradient(device: str) -> None:
    from mmcv.ops import roi_pool

    features = torch.zeros(1, 1, 4, 4, device=device, requires_grad=True)
    pooled = roi_pool(features, torch.tensor([[0.0, 0, 0, 3, 3]], device=device), 2, 1.0)
    (gradient,) = torch.autograd.grad(pooled.sum(), features)
    assert gradient[0, 0].tolist() == [[1, 0, 1, 0], [0, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]


@OURS_ONLY
@pytest.mark.parametrize('dtype', REDUCED)
def test_roi_pool_in_reduced_precision_and_of_nothing(dtype: torch.dtype) -> None:
    from mmcv.ops import roi_pool

    features, rois = torch.randn(2, 3, 9, 8).to(dtype).requires_grad_(), some_rois().float()
    pooled = roi_pool(features, rois, SIZE, SCALE)
    assert pooled.dtype == dtype and torch.equal(pooled, reference(features, rois))
    (gradient,) = torch.autograd.grad(pooled.sum(), features)
    assert gradient.dtype == dtype and gradient.any()
    nothing = roi_pool(features, rois[:0], SIZE, SCALE)
    (gradient,) = torch.autograd.grad(nothing.sum(), features)
    assert nothing.shape == (0, 3, *SIZE) and not gradient.any()
