"""The isotropic variants against a plain statement of their architecture."""

import pytest
import torch
import torch.nn.functional as F

from convnext_dense import paper
from convnext_dense.errors import UserError
from convnext_dense.models import IsotropicConvNeXt


def reference(state: dict, x: torch.Tensor) -> torch.Tensor:
    """NCHW, with torch's functions alone."""
    x = F.conv2d(x, state['stem.weight'], state['stem.bias'], stride=16)
    for i in range(sum(name.endswith('dwconv.weight') for name in state)):
        p = {name.split('.', 2)[2]: t for name, t in state.items() if name.startswith(f'blocks.{i}.')}
        y = F.conv2d(x, p['dwconv.weight'], p['dwconv.bias'], padding=3, groups=x.shape[1]).permute(0, 2, 3, 1)
        y = F.layer_norm(y, y.shape[-1:], p['norm.weight'], p['norm.bias'], 1e-6)
        y = F.linear(
            F.gelu(F.linear(y, p['pwconv1.weight'], p['pwconv1.bias'])), p['pwconv2.weight'], p['pwconv2.bias']
        )
        x = x + (y * p.get('gamma', torch.ones(1))).permute(0, 3, 1, 2)
    return F.layer_norm(x.mean((2, 3)), x.shape[1:2], state['norm.weight'], state['norm.bias'], 1e-6)


@pytest.mark.parametrize('layer_scale', [0.0, 0.5])
def test_outputs_are_the_architectures(layer_scale):
    model = IsotropicConvNeXt('small', layer_scale_init_value=layer_scale).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    x = torch.randn(2, 3, 50, 33)
    with torch.no_grad():
        expected, found = reference(model.state_dict(), x), model(x)
    assert found.shape == (2, 384)
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()
    assert ('blocks.0.gamma' in model.state_dict()) == (layer_scale > 0)


def test_parameters_are_the_published_ones():
    for published in paper.ISOTROPIC_1K:
        with torch.device('meta'):
            model = IsotropicConvNeXt(published.arch)
        params = sum(p.numel() for p in model.parameters()) + (model.dims[0] + 1) * 1000
        assert params / 1e6 == pytest.approx(published.params, rel=0.015)


def test_drop_path_rises_linearly_to_the_rate():
    with torch.device('meta'):
        model = IsotropicConvNeXt('base', drop_path_rate=0.34)
    assert [block.drop_path for block in model.blocks] == pytest.approx([0.02 * i for i in range(18)])


def test_bad_arguments_are_named():
    with pytest.raises(UserError, match="arch 'tiny': take one of small, base, large"):
        IsotropicConvNeXt('tiny')
    with pytest.raises(UserError, match='drop_path_rate 1 is outside'):
        IsotropicConvNeXt('small', drop_path_rate=1)
