"""Deformable RoI pooling against its definition."""

import pytest
import torch
from torch import Tensor

from convnext_dense.ops import bilinear
from tests.helpers.op_definitions import border_bilinear, compare, roi_samples
from tests.helpers.ops import DEVICES, OURS_ONLY, REDUCED

SIZE, SCALE, GAMMA = (2, 3), 0.5, 0.3
ROIS = torch.tensor(
    [[0, 1.1, 2.3, 9.2, 8.7], [1, -3.3, 0.4, 6.6, 13.2], [1, 7, 7, 7, 7], [0, 4.2, 3.1, 8.8, 9.9]],
    dtype=torch.float64,
)


def reference(features: Tensor, offset: Tensor | None, sampling_ratio: int) -> Tensor:
    """(K, C, *SIZE): the mean sample of each bin, after the bin is moved by GAMMA boxes times its offset."""
    pooled = []
    for k, roi in enumerate(ROIS):
        box = (roi[3:] - roi[1:3]) * SCALE
        for (i, j), positions in roi_samples(roi, SIZE, SCALE, sampling_ratio, aligned=True).items():
            right, down = (0, 0) if offset is None else GAMMA * box * offset[k, :, i, j]
            values = [border_bilinear(features[int(roi[0])], y + down, x + right) for y, x in positions]
            pooled.append(torch.stack(values).mean(0) if values else features.new_zeros(features.shape[1]))
    return torch.stack(pooled).view(len(ROIS), *SIZE, -1).permute(0, 3, 1, 2)


def some_features() -> Tensor:
    return torch.randn(2, 3, 6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()


def some_offsets() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(len(ROIS), 2, *SIZE, generator=generator, dtype=torch.float64).requires_grad_()


@OURS_ONLY
@pytest.mark.parametrize('sampling_ratio', [0, 2])
@pytest.mark.parametrize('moved', [True, False])
def test_deformable_roi_pooling_is_its_definition(sampling_ratio: int, moved: bool) -> None:
    from mmcv.ops import DeformRoIPool

    pool = DeformRoIPool(SIZE, SCALE, sampling_ratio, GAMMA)
    inputs = (some_features(), some_offsets()) if moved else (some_features(),)

    def op(features: Tensor, offset: Tensor | None = None) -> Tensor:
        return pool(features, ROIS.to(features), offset)

    def definition(features: Tensor, offset: Tensor | None = None) -> Tensor:
        return reference(features, offset, sampling_ratio)

    compare(op, definition, *inputs)


@OURS_ONLY
def test_chunks_nothing_and_reduced_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    from mmcv.ops import deform_roi_pool

    features, offset = some_features(), some_offsets()
    whole = deform_roi_pool(features, ROIS, offset, SIZE, SCALE, 0, GAMMA)
    expected = torch.autograd.grad(whole.square().sum(), (features, offset))
    monkeypatch.setattr(bilinear, 'CHUNK', 1)
    parts = deform_roi_pool(features, ROIS, offset, SIZE, SCALE, 0, GAMMA)
    torch.testing.assert_close(parts, whole)
    for one, other in zip(torch.autograd.grad(parts.square().sum(), (features, offset)), expected, strict=True):
        torch.testing.assert_close(one, other)
    for dtype in REDUCED:
        reduced = deform_roi_pool(features.to(dtype), ROIS.float(), offset.to(dtype), SIZE, SCALE, 0, GAMMA)
        assert reduced.dtype == dtype
        torch.testing.assert_close(reduced.double(), whole, rtol=0.05, atol=0.1)
    nothing = deform_roi_pool(features, ROIS[:0], offset[:0], SIZE, SCALE, 0, GAMMA)
    (gradient,) = torch.autograd.grad(nothing.sum(), features)
    assert nothing.shape == (0, 3, *SIZE) and not gradient.any()


@OURS_ONLY
@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('name', ['DeformRoIPoolPack', 'ModulatedDeformRoIPoolPack'])
def test_layers_of_roi_extractors_train(name: str, device: str) -> None:
    import mmcv.ops

    torch.manual_seed(0)
    pool = getattr(mmcv.ops, name)(SIZE, output_channels=3, deform_fc_channels=8, spatial_scale=SCALE).to(device)
    features = some_features().detach().float().to(device).requires_grad_()
    pool(features, ROIS.float().to(device)).square().sum().backward()
    assert features.grad.any() and pool.offset_fc[-1].bias.grad.any()
