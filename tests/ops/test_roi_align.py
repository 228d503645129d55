"""RoIAlign against its definition, forward and backward."""

import itertools
import math
from types import ModuleType

import pytest
import torch
from torch import Tensor

from tests.helpers.ops import DEVICES, FLOATS, OURS_ONLY, REDUCED, some_boxes


def sample_weights(start: float, extent: float, bins: int, samples: int, size: int) -> Tensor:
    """(bins, size): row i averages linear samples of a signal of `size` points over bin i, 0 beyond."""
    samples = samples or math.ceil(extent / bins)
    weights = torch.zeros(bins, size, dtype=torch.float64)
    for i, j in itertools.product(range(bins), range(samples)):
        at = start + (i + (j + 0.5) / samples) * extent / bins
        if -1 <= at <= size:
            at = min(max(at, 0), size - 1)
            low = min(math.floor(at), size - 1)
            weights[i, low] += (1 - (at - low)) / samples
            weights[i, min(low + 1, size - 1)] += (at - low) / samples
    return weights


def reference_roi_align(
    features: Tensor, rois: Tensor, size: tuple[int, int], scale: float, samples: int, aligned: bool
) -> Tensor:
    """(K, C, *size): bilinear sampling is linear along each axis, so a bin is two small matrices."""
    pooled = []
    for image, *box in rois.tolist():
        x1, y1, x2, y2 = (v * scale - 0.5 * aligned for v in box)
        width, height = (x2 - x1, y2 - y1) if aligned else (max(x2 - x1, 1), max(y2 - y1, 1))
        rows = sample_weights(y1, height, size[0], samples, features.shape[2])
        columns = sample_weights(x1, width, size[1], samples, features.shape[3])
        pooled.append(rows.to(features) @ features[int(image)] @ columns.to(features).T)
    return torch.stack(pooled)


def rois_on_two_images(dtype: torch.dtype) -> Tensor:
    """Inside, across every border, far outside, and without extent; in pixels of 2 x 2 cells per 4 pixels."""
    boxes = some_boxes(9, 24, dtype, seed=3)
    odd = torch.tensor([[-6, -5, 30, 29], [40, 40, 60, 60], [5, 6, 5, 6], [3, 2, 3.5, 20]], dtype=dtype)
    image = (torch.arange(13) % 2).to(dtype)[:, None]
    return torch.cat([image, torch.cat([boxes, odd])], 1)


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('dtype', FLOATS)
@pytest.mark.parametrize('sampling_ratio', [0, 2])
@pytest.mark.parametrize('aligned', [True, False])
def test_roi_align_is_its_definition(device: str, dtype: torch.dtype, sampling_ratio: int, aligned: bool) -> None:
    """Forward and backward, through mmcv's own autograd function."""
    from mmcv.ops import roi_align

    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 3, 11, 13, generator=generator, dtype=dtype).to(device).requires_grad_()
    rois, size = rois_on_two_images(dtype).to(device), (3, 4)
    args = (size, 0.5, sampling_ratio)
    pooled = roi_align(features, rois, *args, 'avg', aligned)
    expected = reference_roi_align(features, rois, *args, aligned)
    tolerance = dict(rtol=1e-5, atol=1e-5) if dtype == torch.float32 else dict(rtol=1e-11, atol=1e-12)
    assert pooled.abs().max() > 1
    torch.testing.assert_close(pooled, expected, **tolerance)

    weight = torch.randn(pooled.shape, generator=generator, dtype=dtype).to(device)
    (gradient,) = torch.autograd.grad(pooled, features, weight)
    (expected_gradient,) = torch.autograd.grad(expected, features, weight)
    assert gradient.abs().max() > 1
    torch.testing.assert_close(gradient, expected_gradient, **tolerance)


def test_roi_align_of_nothing_and_of_strided_input() -> None:
    from mmcv.ops import roi_align

    features = torch.randn(2, 3, 8, 8).to(memory_format=torch.channels_last).requires_grad_()
    nothing = roi_align(features, torch.empty(0, 5), (7, 7), 0.25, 0, 'avg', True)
    assert nothing.shape == (0, 3, 7, 7)
    (gradient,) = torch.autograd.grad(nothing.sum(), features)
    assert gradient.shape == features.shape and not gradient.any()

    rois = rois_on_two_images(torch.float32)
    pooled = roi_align(features, rois, (2, 2), 0.5, 2, 'avg', True)
    torch.testing.assert_close(pooled, reference_roi_align(features, rois, (2, 2), 0.5, 2, True))
    weight = torch.randn(13, 2, 2, 3).permute(0, 3, 1, 2)
    (strided,) = torch.autograd.grad(pooled, features, weight, retain_graph=True)
    (dense,) = torch.autograd.grad(pooled, features, weight.contiguous())
    assert torch.equal(strided, dense)


@OURS_ONLY
@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('dtype', REDUCED)
def test_roi_align_in_reduced_precision(device: str, dtype: torch.dtype) -> None:
    """Computed in float32 and rounded once; the gradient too."""
    from mmcv.ops import roi_align

    features = torch.randn(2, 3, 8, 8, device=device).to(dtype).requires_grad_()
    rois = rois_on_two_images(torch.float32).to(device)
    pooled = roi_align(features, rois, (2, 2), 0.5, 2, 'avg', True)
    expected = reference_roi_align(features.float(), rois, (2, 2), 0.5, 2, True)
    assert pooled.dtype == dtype
    torch.testing.assert_close(pooled.float(), expected, rtol=torch.finfo(dtype).eps, atol=1e-5)
    (gradient,) = torch.autograd.grad(pooled.sum(), features)
    (expected_gradient,) = torch.autograd.grad(expected.sum(), features)
    torch.testing.assert_close(gradient, expected_gradient.to(dtype), rtol=torch.finfo(dtype).eps, atol=1e-5)


def test_max_pooling_says_so(ext: ModuleType) -> None:
    features, output, empty = torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 2, 2), torch.zeros(0)
    for op, args in [('roi_align_forward', (features, output)), ('roi_align_backward', (output, features))]:
        with pytest.raises(NotImplementedError, match=f"{op} .pool_mode='max'.* build mmcv"):
            getattr(ext, op)(args[0], torch.zeros(1, 5), empty, empty, args[1], 2, 2, 1.0, 0, 0, True)
