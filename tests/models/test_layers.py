"""Shared layers against plain statements of their formulas."""

import pytest
import torch
from torch import nn

from convnext_dense.models.layers import GRN, LayerNorm2d, init_conv_and_linear


def test_layer_norm_2d_normalizes_the_channels_of_each_position() -> None:
    norm = LayerNorm2d(6)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    x = 1e-3 * torch.randn(2, 6, 3, 5)  # so small that eps counts
    centered = x - x.mean(1, keepdim=True)
    scaled = centered / (centered.square().mean(1, keepdim=True) + 1e-6).sqrt()
    expected = scaled * norm.weight.view(-1, 1, 1) + norm.bias.view(-1, 1, 1)
    torch.testing.assert_close(norm(x), expected)


def test_grn_scales_each_channel_by_its_share_of_the_norms_over_an_image() -> None:
    grn = GRN(6)
    assert grn.gamma.shape == grn.beta.shape == (1, 1, 1, 6)
    x = torch.randn(2, 3, 5, 6)
    assert torch.equal(grn(x), x)  # as it starts
    nn.init.normal_(grn.gamma)
    nn.init.normal_(grn.beta)
    norms = x.square().sum((1, 2), keepdim=True).sqrt()
    share = norms / (norms.mean(3, keepdim=True) + 1e-6)
    torch.testing.assert_close(grn(x), grn.gamma * (x * share) + grn.beta + x)
    torch.testing.assert_close(grn(x)[1:], grn(x[1:]))  # images do not mix


@pytest.mark.parametrize('layer', [nn.Linear(200, 100), nn.Conv2d(50, 60, 3), nn.Conv2d(50, 60, 3, bias=False)])
def test_convolutions_and_linear_layers_start_as_the_official_ones(layer: nn.Module) -> None:
    init_conv_and_linear(layer)
    assert layer.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert layer.bias is None or not layer.bias.any()
    norm = nn.LayerNorm(4)
    init_conv_and_linear(norm)
    assert torch.equal(norm.weight, torch.ones(4))
