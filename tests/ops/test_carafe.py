"""CARAFE against its definition."""

import pytest
import torch
from torch import Tensor

from tests.helpers.op_definitions import compare
from tests.helpers.ops import DEVICES, OURS_ONLY, REDUCED, largest


def reference(features: Tensor, masks: Tensor, kernel: int, groups: int, scale: int) -> Tensor:
    """Each output cell: the weighted sum of the kernel x kernel cells around the input cell that it lies in."""
    batch, channels, height, width = features.shape
    half, rows = kernel // 2, []
    for i in range(height * scale):
        for j in range(width * scale):
            total = features.new_zeros(batch, channels)
            for k in range(kernel):
                for m in range(kernel):
                    y, x = i // scale + k - half, j // scale + m - half
                    if 0 <= y < height and 0 <= x < width:
                        weights = masks[:, :, i, j].view(batch, groups, kernel, kernel)[:, :, k, m]
                        total = total + features[:, :, y, x] * weights.repeat_interleave(channels // groups, 1)
            rows.append(total)
    return torch.stack(rows, 2).view(batch, channels, height * scale, width * scale)


@OURS_ONLY
@pytest.mark.parametrize('name', ['carafe', 'carafe_naive'])
@pytest.mark.parametrize(('kernel', 'groups', 'scale'), [(3, 1, 2), (5, 2, 1), (1, 4, 3)])
def test_carafe_is_its_definition(name: str, kernel: int, groups: int, scale: int) -> None:
    import mmcv.ops

    op = getattr(mmcv.ops, name)
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 4, 3, 4, generator=generator, dtype=torch.float64)
    masks = torch.randn(2, groups * kernel**2, 3 * scale, 4 * scale, generator=generator, dtype=torch.float64)
    args = (kernel, groups, scale)
    inputs = (features.requires_grad_(), masks.requires_grad_())
    compare(lambda x, m: op(x, m, *args), lambda x, m: reference(x, m, *args), *inputs)


@OURS_ONLY
@pytest.mark.parametrize('dtype', REDUCED)
def test_carafe_in_reduced_precision_and_of_nothing(dtype: torch.dtype) -> None:
    from mmcv.ops import carafe

    features, masks = torch.randn(2, 4, 3, 4).to(dtype).requires_grad_(), torch.rand(2, 9, 6, 8).requires_grad_()
    output = carafe(features, masks, 3, 1, 2)  # as under AMP: the softmax of the kernels is float32
    assert output.dtype == dtype
    assert torch.equal(output, reference(features.float(), masks, 3, 1, 2).to(dtype))
    of_features, of_masks = torch.autograd.grad(output.float().sum(), (features, masks))
    assert of_features.dtype == dtype and of_masks.dtype == torch.float32 and of_masks.any()
    assert carafe(features[:0], masks[:0], 3, 1, 2).shape == (0, 4, 6, 8)


@OURS_ONLY
@pytest.mark.parametrize('device', DEVICES)
def test_the_layer_of_necks_trains(device: str) -> None:
    from mmcv.ops import CARAFEPack

    torch.manual_seed(0)
    layer, x = CARAFEPack(4, 2, compressed_channels=4).to(device), torch.randn(1, 4, 3, 5, device=device)
    output = layer(x)
    output.square().sum().backward()
    assert output.shape == (1, 4, 6, 10)
    assert all(p.grad.any() for p in layer.content_encoder.parameters())


@OURS_ONLY
def test_nothing_is_larger_than_the_output() -> None:
    from mmcv.ops import carafe

    features, masks = torch.randn(1, 40, 4, 4, requires_grad=True), torch.rand(1, 25, 8, 8, requires_grad=True)
    assert largest(lambda: carafe(features, masks, 5, 1, 2).sum().backward()) == 40 * 8 * 8
