"""Shared layers against plain statements of their formulas."""

import pytest
import torch
from torch import nn

from convnext_dense.models.layers import ACTIVATIONS, GRN, NORMS, LayerNorm2d, init_conv_and_linear
from convnext_dense.weights.hub_config import NAMES_OF_ACTIVATIONS


def test_layer_norm_2d_normalizes_the_channels_of_each_position() -> None:
    norm = LayerNorm2d(6)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    x = 1e-3 * torch.randn(2, 6, 3, 5)  # so small that eps counts
    centered = x - x.mean(1, keepdim=True)
    scaled = centered / (centered.square().mean(1, keepdim=True) + 1e-6).sqrt()
    expected = scaled * norm.weight.view(-1, 1, 1) + norm.bias.view(-1, 1, 1)
    torch.testing.assert_close(norm(x), expected)


@pytest.mark.parametrize('kind', ['rms_norm', 'simple_norm'])
def test_norms_without_a_bias_equal_their_formulas(kind: str) -> None:
    of_last, of_channels = (norm(6, eps=1e-3).double() for norm in NORMS[kind])
    nn.init.normal_(of_last.weight)
    of_channels.load_state_dict(of_last.state_dict())
    x = 0.1 * torch.randn(2, 6, 3, 5, dtype=torch.float64) + 0.05  # so small that eps counts, and the mean is not 0
    centered = x - x.mean(1, keepdim=True)
    power = x.square().mean(1, keepdim=True) if kind == 'rms_norm' else centered.square().sum(1, keepdim=True) / 5
    expected = x / (power + 1e-3).sqrt() * of_last.weight.view(-1, 1, 1)
    torch.testing.assert_close(of_channels(x), expected)
    torch.testing.assert_close(of_last(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), expected)


@pytest.mark.parametrize('kind', NORMS)
def test_norms_have_the_dtype_of_layer_norm(kind: str) -> None:
    norm, layer_norm = NORMS[kind][0](6, eps=1e-6), nn.LayerNorm(6)
    with torch.autocast('cpu', torch.bfloat16):
        assert norm(torch.randn(2, 6)).dtype == layer_norm(torch.randn(2, 6)).dtype == torch.float32
    half = norm.bfloat16()(torch.randn(2, 6).bfloat16())
    assert half.dtype == torch.bfloat16


@pytest.mark.parametrize(('own', 'names'), NAMES_OF_ACTIVATIONS.items())
def test_activations_equal_those_of_timm_and_transformers(own: str, names: tuple[str, ...]) -> None:
    from timm.layers import get_act_layer
    from transformers.activations import ACT2FN

    x = torch.linspace(-6, 6, 101, dtype=torch.float64)
    compared = 0
    for theirs in [get_act_layer(own)(), *(ACT2FN[name] for name in names if name in ACT2FN)]:
        torch.testing.assert_close(ACTIVATIONS[own]()(x), theirs(x), rtol=1e-12, atol=1e-12)
        compared += 1
    assert compared >= 2 and NAMES_OF_ACTIVATIONS.keys() == ACTIVATIONS.keys()


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


@pytest.mark.parametrize('autocast', [True, False])
def test_grn_in_half_precision_takes_its_norms_in_float32(autocast: bool) -> None:
    """Norms that differ by less than a step of bfloat16 scale their channels differently."""
    torch.manual_seed(0)
    grn = GRN(48)
    nn.init.constant_(grn.gamma, 1.0)
    x = torch.randn(2, 9, 9, 48).bfloat16().requires_grad_()
    wide = x.detach().float().requires_grad_()
    expected = grn(wide)
    grad = torch.randn_like(expected)
    expected.backward(grad)
    if autocast:
        with torch.autocast('cpu', torch.bfloat16):
            out = grn(x)
        assert out.dtype == torch.float32
        torch.testing.assert_close(out, expected, rtol=1e-6, atol=1e-6)
        out.backward(grad)
        torch.testing.assert_close(x.grad.float(), wide.grad, rtol=2**-7, atol=2**-9)
    else:
        out = grn.bfloat16()(x)
        assert out.dtype == torch.bfloat16
        torch.testing.assert_close(out.float(), expected, rtol=2**-7, atol=2**-7)


@pytest.mark.parametrize('layer', [nn.Linear(200, 100), nn.Conv2d(50, 60, 3), nn.Conv2d(50, 60, 3, bias=False)])
def test_convolutions_and_linear_layers_start_as_the_official_ones(layer: nn.Module) -> None:
    init_conv_and_linear(layer)
    assert layer.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert layer.bias is None or not layer.bias.any()
    norm = nn.LayerNorm(4)
    init_conv_and_linear(norm)
    assert torch.equal(norm.weight, torch.ones(4))
