"""RoIAlign against its definition, forward and backward."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from convnext_dense.ops import bilinear
from convnext_dense.ops import roi_align as ops_roi_align
from tests.helpers.op_definitions import border_bilinear, compare, roi_samples
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


def reference_maximum(
    features: Tensor, rois: Tensor, size: tuple[int, int], scale: float, samples: int, aligned: bool
) -> Tensor:
    """(K, C, *size): the greatest sample of each bin, 0 where there are none."""
    pooled = features.new_zeros(len(rois), features.shape[1], *size)
    for k, roi in enumerate(rois):
        for (i, j), positions in roi_samples(roi, size, scale, samples, aligned).items():
            if positions:
                values = torch.stack([border_bilinear(features[int(roi[0])], y, x) for y, x in positions])
                pooled[k, :, i, j] = values.amax(0)
    return pooled


@OURS_ONLY
@pytest.mark.parametrize('sampling_ratio', [0, 2])
@pytest.mark.parametrize('aligned', [True, False])
def test_the_maximum_is_its_definition(sampling_ratio: int, aligned: bool) -> None:
    from mmcv.ops import RoIAlign

    features = torch.randn(2, 3, 7, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rois = rois_on_two_images(torch.float64)[::2] * torch.tensor([1, 0.5, 0.5, 0.5, 0.5])
    rois[-1] = torch.tensor([1, 3, 3, 3, 3])
    args = ((2, 3), 0.5, sampling_ratio)
    pool = RoIAlign(*args, 'max', aligned)

    def definition(features: Tensor) -> Tensor:
        return reference_maximum(features, rois, *args, aligned)

    compare(lambda features: pool(features, rois.to(features)), definition, features.requires_grad_())


@OURS_ONLY
@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('dtype', REDUCED)
def test_the_maximum_in_reduced_precision_and_far_from_the_origin(device: str, dtype: torch.dtype) -> None:
    """Coordinates above 256 have less than quarters in float16; the gradient goes to the right cells all the same."""
    from mmcv.ops import roi_align

    features = torch.randn(1, 2, 4, 400, device=device).to(dtype).requires_grad_()
    rois = torch.tensor([[0, 390.3, 0.4, 396.9, 3.1]], device=device)
    pooled = roi_align(features, rois, (2, 2), 1.0, 0, 'max', True)
    wide = features.detach().float().requires_grad_()
    expected = roi_align(wide, rois, (2, 2), 1.0, 0, 'max', True)
    assert pooled.dtype == dtype and torch.equal(pooled, expected.to(dtype))
    (gradient,), (expected_gradient,) = (
        torch.autograd.grad(y.float().sum(), x) for y, x in ((pooled, features), (expected, wide))
    )
    assert gradient.abs().sum() > 1 and torch.equal(gradient, expected_gradient.to(dtype))


@OURS_ONLY
def test_the_maximum_of_nothing_and_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    from mmcv.ops import roi_align

    features, rois = torch.randn(2, 3, 8, 8, requires_grad=True), rois_on_two_images(torch.float32)
    nothing = roi_align(features, torch.empty(0, 5), (7, 7), 0.25, 0, 'max', True)
    (gradient,) = torch.autograd.grad(nothing.sum(), features)
    assert nothing.shape == (0, 3, 7, 7) and not gradient.any()

    whole = roi_align(features, rois, (2, 2), 0.5, 0, 'max', True)
    (of_whole,) = torch.autograd.grad(whole.square().sum(), features)
    for module in (bilinear, ops_roi_align):
        monkeypatch.setattr(module, 'CHUNK', 100)
    parts = roi_align(features, rois, (2, 2), 0.5, 0, 'max', True)
    (of_parts,) = torch.autograd.grad(parts.square().sum(), features)
    assert torch.equal(parts, whole)
    torch.testing.assert_close(of_parts, of_whole)
