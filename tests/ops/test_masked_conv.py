"""Convolution at some places against a whole convolution, at those places."""

import pytest
import torch
from torch.nn import functional as F

from tests.helpers.ops import DEVICES, FLOATS, OURS_ONLY, REDUCED


@OURS_ONLY
@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('dtype', FLOATS)
@pytest.mark.parametrize(('kernel', 'padding'), [((3, 3), 1), ((1, 1), 0), ((3, 5), (1, 2))])
def test_a_masked_convolution_is_a_convolution_at_its_places(
    device: str, dtype: torch.dtype, kernel: tuple[int, int], padding: int | tuple[int, int]
) -> None:
    from mmcv.ops import MaskedConv2d

    torch.manual_seed(0)
    layer = MaskedConv2d(3, 4, kernel, padding=padding).to(device, dtype)
    x, mask = torch.randn(1, 3, 6, 7, device=device, dtype=dtype), torch.rand(1, 6, 7, device=device) > 0.6
    with torch.no_grad():
        output = layer(x, mask)
        expected = F.conv2d(x, layer.weight, layer.bias, padding=padding) * mask
        torch.testing.assert_close(output, expected)
        assert not layer(x, torch.zeros_like(mask)).any()
        torch.testing.assert_close(layer(x), F.conv2d(x, layer.weight, layer.bias, padding=padding))


@OURS_ONLY
@pytest.mark.parametrize('dtype', REDUCED)
def test_in_reduced_precision(dtype: torch.dtype) -> None:
    from mmcv.ops import MaskedConv2d

    torch.manual_seed(0)
    layer, x = MaskedConv2d(3, 4, 3, padding=1).to(dtype), torch.randn(1, 3, 6, 7).to(dtype)
    with torch.no_grad():
        output = layer(x, torch.ones(1, 6, 7))
        torch.testing.assert_close(output, F.conv2d(x, layer.weight, layer.bias, padding=1), rtol=0.02, atol=0.02)
    assert output.dtype == dtype
