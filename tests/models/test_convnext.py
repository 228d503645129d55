"""The backbone against a plain NCHW statement of the architecture."""

import math

import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import MODELS as ROOT_MODELS
from torch import Tensor

from convnext_dense import ConvNeXt
from convnext_dense.errors import UserError
from convnext_dense.models.convnext import SIZES
from convnext_dense.registry import MODELS

# params of the classification model with 1000 classes, in 10^6, as published
PUBLISHED = {'tiny': 28.6, 'small': 50.2, 'base': 88.6, 'large': 198, 'xlarge': 350}
DEPTHS = {'tiny': (3, 3, 9, 3), 'small': (3, 3, 27, 3), 'base': (3, 3, 27, 3)}
DEPTHS |= {'large': (3, 3, 27, 3), 'xlarge': (3, 3, 27, 3)}
SMALL = dict(depths=[1, 2, 1, 1], dims=[8, 12, 16, 24])


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Over dim 1 of (N, C, H, W)."""
    centered = x - x.mean(1, keepdim=True)
    scaled = centered / torch.sqrt((centered**2).mean(1, keepdim=True) + 1e-6)
    return scaled * weight[:, None, None] + bias[:, None, None]


def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return torch.einsum('nchw,oc->nohw', x, weight) + bias[:, None, None]


def reference(p: dict[str, Tensor], x: Tensor, depths: tuple[int, ...]) -> list[Tensor]:
    """The stages' outputs, without their norms, from the parameters by their official names."""
    outputs = []
    for s, depth in enumerate(depths):
        layer = f'downsample_layers.{s}'
        if s == 0:
            x = F.conv2d(x, p[f'{layer}.0.weight'], p[f'{layer}.0.bias'], stride=4)
            x = layer_norm(x, p[f'{layer}.1.weight'], p[f'{layer}.1.bias'])
        else:
            x = layer_norm(x, p[f'{layer}.0.weight'], p[f'{layer}.0.bias'])
            x = F.conv2d(x, p[f'{layer}.1.weight'], p[f'{layer}.1.bias'], stride=2)
        for b in range(depth):
            name = f'stages.{s}.{b}'
            y = F.conv2d(x, p[f'{name}.dwconv.weight'], p[f'{name}.dwconv.bias'], padding=3, groups=x.shape[1])
            y = layer_norm(y, p[f'{name}.norm.weight'], p[f'{name}.norm.bias'])
            y = linear(y, p[f'{name}.pwconv1.weight'], p[f'{name}.pwconv1.bias'])
            y = 0.5 * y * (1 + torch.erf(y / math.sqrt(2)))
            if f'{name}.grn.gamma' in p:
                g = torch.sqrt((y**2).sum(dim=(2, 3), keepdim=True))
                n = g / (g.mean(1, keepdim=True) + 1e-6)
                y = p[f'{name}.grn.gamma'].reshape(-1, 1, 1) * (y * n) + p[f'{name}.grn.beta'].reshape(-1, 1, 1) + y
            y = linear(y, p[f'{name}.pwconv2.weight'], p[f'{name}.pwconv2.bias'])
            if f'{name}.gamma' in p:
                y = y * p[f'{name}.gamma'][:, None, None]
            x = x + y
        outputs.append(x)
    return outputs


def randomize(model: torch.nn.Module) -> None:
    """Weights that keep activations near 1 and make every parameter count."""
    for p in model.parameters():
        if p.ndim == 1:
            torch.nn.init.uniform_(p, 0.2, 1)
        elif p.shape[:3] == (1, 1, 1):  # GRN
            torch.nn.init.uniform_(p, -1, 1)
        else:
            torch.nn.init.normal_(p, std=p[0].numel() ** -0.5)


def relative_difference(a: Tensor, b: Tensor) -> float:
    return ((a - b).abs().max() / b.abs().max()).item()


@pytest.mark.parametrize('arch', list(PUBLISHED))
@torch.no_grad()
def test_size_has_the_published_parameters_and_the_architectures_outputs(arch):
    with torch.device('meta'):
        model = ConvNeXt(arch, out_indices=None)
    model = model.to_empty(device='cpu').eval()
    randomize(model)
    head = model.dims[-1] * 1000 + 1000
    params = (sum(p.numel() for p in model.parameters()) + head) / 1e6
    assert params == pytest.approx(PUBLISHED[arch], rel=0.002)

    x = torch.randn(1, 3, 64, 64)
    p = dict(model.named_parameters())
    last = reference(p, x, DEPTHS[arch])[-1]
    pooled = last.mean(dim=(2, 3))[:, :, None, None]
    expected = layer_norm(pooled, p['norm.weight'], p['norm.bias'])[:, :, 0, 0]
    assert relative_difference(model(x), expected) < 1e-5


@pytest.mark.parametrize('version', [1, 2])
@pytest.mark.parametrize('shape', [(96, 64), (33, 71), (101, 50)])
@torch.no_grad()
def test_all_stages_equal_the_reference(version, shape):
    model = ConvNeXt(SMALL, version=version, in_channels=5).eval()
    randomize(model)
    x = torch.randn(2, 5, *shape)
    p = dict(model.named_parameters())
    expected = reference(p, x, (1, 2, 1, 1))
    for i, (own, raw) in enumerate(zip(model(x), expected, strict=True)):
        stride = 4 * 2**i
        assert own.shape == (2, SMALL['dims'][i], shape[0] // stride, shape[1] // stride)
        assert relative_difference(own, layer_norm(raw, p[f'norm{i}.weight'], p[f'norm{i}.bias'])) < 1e-5


@torch.no_grad()
def test_version_decides_between_layer_scale_and_grn():
    v1 = dict(ConvNeXt(SMALL).named_parameters())
    v2 = dict(ConvNeXt(SMALL, version=2).named_parameters())
    assert v1['stages.1.1.gamma'].shape == (12,)
    assert v1['stages.1.1.gamma'].unique().item() == pytest.approx(1e-6)
    assert not any('grn' in name for name in v1)
    assert v2['stages.1.1.grn.gamma'].shape == v2['stages.1.1.grn.beta'].shape == (1, 1, 1, 48)
    assert 'stages.1.1.gamma' not in v2
    assert 'stages.1.1.gamma' not in dict(ConvNeXt(SMALL, layer_scale_init_value=0).named_parameters())


def test_initialization_is_the_official_one():
    model = ConvNeXt('atto')
    weights = torch.cat([p.flatten() for n, p in model.named_parameters() if p.ndim > 1])
    assert weights.std().item() == pytest.approx(0.02, rel=0.02)
    assert weights.abs().max() <= 2
    biases = [p for n, p in model.named_parameters() if n.endswith('.bias')]
    assert all(b.abs().max() == 0 for b in biases)


@torch.no_grad()
def test_out_indices_choose_and_order_the_outputs():
    x = torch.randn(1, 3, 64, 64)
    model = ConvNeXt(SMALL, out_indices=(-1, 1)).eval()
    assert [tuple(o.shape) for o in model(x)] == [(1, 24, 2, 2), (1, 12, 8, 8)]
    assert {n.split('.')[0] for n in model.state_dict()} == {'downsample_layers', 'stages', 'norm1', 'norm3'}


@torch.no_grad()
def test_a_side_shorter_than_the_stride_is_padded():
    model = ConvNeXt(SMALL).eval()
    x = torch.randn(1, 3, 5, 40)
    padded = torch.zeros(1, 3, 32, 40)
    padded[:, :, :5] = x
    for own, expected in zip(model(x), model(padded), strict=True):
        assert torch.equal(own, expected)


def test_outputs_and_gradients_do_not_depend_on_the_input_layout_or_on_checkpointing():
    plain = ConvNeXt(SMALL, layer_scale_init_value=1.0)
    recomputing = ConvNeXt(SMALL, layer_scale_init_value=1.0, with_cp=True)
    recomputing.load_state_dict(plain.state_dict())
    x = torch.randn(2, 3, 64, 64)
    plain(x)[3].square().sum().backward()
    recomputing(x.contiguous(memory_format=torch.channels_last))[3].square().sum().backward()
    for (name, a), b in zip(plain.named_parameters(), recomputing.parameters(), strict=True):
        if a.grad is not None:  # the other stages' norms have none
            assert relative_difference(b.grad, a.grad) < 1e-5, name


def test_with_cp_recomputes_every_block(monkeypatch):
    calls = []
    model = ConvNeXt(SMALL, with_cp=True)
    original = type(model.stages[0][0]).forward
    monkeypatch.setattr(type(model.stages[0][0]), 'forward', lambda self, x: calls.append(1) or original(self, x))
    model(torch.randn(1, 3, 32, 32))[3].sum().backward()
    assert len(calls) == 2 * 5


@torch.no_grad()
def test_drop_path_rises_linearly_and_drops_whole_images():
    model = ConvNeXt(SMALL, drop_path_rate=0.4)
    rates = [block.drop_path for stage in model.stages for block in stage]
    assert rates == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])

    block = ConvNeXt(SMALL, drop_path_rate=0.4, layer_scale_init_value=1.0).train().stages[3][0]
    x = torch.randn(4000, 24, 1, 1)
    branch = (block(x) - x).flatten(1)
    kept = branch.abs().amax(1) > 1e-6
    assert kept.float().mean().item() == pytest.approx(0.6, abs=0.03)
    full = (block.eval()(x) - x).flatten(1)
    assert torch.allclose(branch[kept], full[kept] / 0.6, atol=1e-5)


@pytest.mark.parametrize(
    ('frozen', 'trained'), [(-1, 'downsample_layers.0'), (0, 'stages.0'), (2, 'downsample_layers.2')]
)
def test_frozen_stages_get_no_gradient_and_no_drop_path(frozen, trained):
    model = ConvNeXt(SMALL, frozen_stages=frozen, drop_path_rate=0.5).train()
    names = [n for n, p in model.named_parameters() if p.requires_grad]
    assert names[0].startswith(trained) or any(n.startswith(trained) for n in names)
    frozen_names = {n.rsplit('.', 1)[0] for n, p in model.named_parameters() if not p.requires_grad}
    expected = {
        -1: set(),
        0: {'downsample_layers.0'},
        2: {'downsample_layers.0', 'downsample_layers.1', 'stages.0', 'stages.1'},
    }
    assert {'.'.join(n.split('.')[:2]) for n in frozen_names} == expected[frozen]
    for name, module in model.named_modules():
        if name.startswith(('stages.0.', 'stages.1.')) and frozen == 2:
            assert not module.training, name
        if name.startswith('stages.3.'):
            assert module.training, name


def test_registered_for_all_three_worlds():
    from mmdet.registry import MODELS as DETECTION
    from mmseg.registry import MODELS as SEGMENTATION

    for registry in (MODELS, ROOT_MODELS, DETECTION, SEGMENTATION):
        assert type(registry.build(dict(type='convnext_dense.ConvNeXt', arch='atto'))) is ConvNeXt


@pytest.mark.parametrize(
    ('arguments', 'named'),
    [
        (dict(arch='teeny'), 'tiny'),
        (dict(arch=dict(depths=[1, 2], dims=[1, 2, 3, 4])), 'depths'),
        (dict(arch=dict(depths=[1, 1, 1, 1])), 'dims'),
        (dict(out_indices=(0, 4)), '4 is out of range'),
        (dict(out_indices=(-5,)), '-5 is out of range'),
        (dict(frozen_stages=5), 'frozen_stages 5'),
        (dict(drop_path_rate=1.0), 'drop_path_rate 1.0'),
        (dict(version=3), 'version 3'),
    ],
)
def test_bad_arguments_are_named(arguments, named):
    with pytest.raises(UserError, match=named):
        ConvNeXt(**{'arch': 'atto', **arguments})


def test_a_wrong_channel_count_is_named():
    with pytest.raises(UserError, match=r'4 channels.*takes 3'):
        ConvNeXt(SMALL)(torch.randn(1, 4, 32, 32))


def test_sizes_are_those_of_the_papers():
    assert SIZES['huge'] == ((3, 3, 27, 3), (352, 704, 1408, 2816))
    assert SIZES['atto'] == ((2, 2, 6, 2), (40, 80, 160, 320))
