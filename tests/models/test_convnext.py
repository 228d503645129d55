"""The backbone against a plain NCHW statement of the architecture."""

import contextlib
import math

import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import MODELS as ROOT_MODELS
from torch import Tensor, nn

from convnext_dense import ConvNeXt
from convnext_dense.errors import UserError
from convnext_dense.models import ImageClassifier, fused_mlp
from convnext_dense.models.convnext import Block
from convnext_dense.registry import MODELS
from convnext_dense.weights.conversion import convert
from tests.helpers.timm_kinds import KINDS, SIZE, timm_network

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


def reference_block(p: dict[str, Tensor], x: Tensor) -> Tensor:
    """A block's output from its input (N, C, H, W)."""
    y = F.conv2d(x, p['dwconv.weight'], p['dwconv.bias'], padding=3, groups=x.shape[1])
    y = layer_norm(y, p['norm.weight'], p['norm.bias'])
    y = linear(y, p['pwconv1.weight'], p['pwconv1.bias'])
    y = 0.5 * y * (1 + torch.erf(y / math.sqrt(2)))
    if 'grn.gamma' in p:
        g = torch.sqrt((y**2).sum(dim=(2, 3), keepdim=True))
        n = g / (g.mean(1, keepdim=True) + 1e-6)
        y = p['grn.gamma'].reshape(-1, 1, 1) * (y * n) + p['grn.beta'].reshape(-1, 1, 1) + y
    y = linear(y, p['pwconv2.weight'], p['pwconv2.bias'])
    if 'gamma' in p:
        y = y * p['gamma'][:, None, None]
    return x + y


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
            prefix = f'stages.{s}.{b}.'
            x = reference_block({n.removeprefix(prefix): t for n, t in p.items() if n.startswith(prefix)}, x)
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


def test_registered_for_all_three_worlds():
    from mmdet.registry import MODELS as DETECTION
    from mmseg.registry import MODELS as SEGMENTATION

    for registry in (MODELS, ROOT_MODELS, DETECTION, SEGMENTATION):
        assert type(registry.build(dict(type='convnext_dense.ConvNeXt', arch='atto'))) is ConvNeXt


# -- tools that look for nn.Linear


@pytest.mark.parametrize('version', [1, 2])
@torch.no_grad()
def test_dynamic_quantization_quantizes_the_linear_layers(version: int) -> None:
    torch.manual_seed(0)
    model = ConvNeXt(SMALL, version, out_indices=None, layer_scale_init_value=1.0).eval()
    randomize(model)
    quantized = torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8)
    kinds = [type(getattr(b, n)) for stage in quantized.stages for b in stage for n in ('pwconv1', 'pwconv2')]
    assert kinds == [torch.ao.nn.quantized.dynamic.Linear] * 10
    x = torch.randn(4, 3, 64, 64)
    assert fused_mlp.forward(quantized.stages[0][0], torch.randn(1, 8, 16, 16)) is None
    difference = ((quantized(x) - model(x)).norm() / model(x).norm()).item()
    assert 1e-4 < difference < 0.1


class LowRank(nn.Module):
    """A linear layer with a trained product of two thin matrices beside it, as PEFT libraries put in its place."""

    def __init__(self, base: nn.Linear, rank: int) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = nn.Linear(base.in_features, rank, bias=False)
        self.up = nn.Linear(rank, base.out_features, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + self.up(self.down(x))


@pytest.mark.parametrize('version', [1, 2])
def test_a_low_rank_adapter_trains_in_place_of_a_linear_layer(version: int) -> None:
    torch.manual_seed(0)
    block = Block(8, drop_path=0.0, layer_scale_init_value=1.0, version=version).double()
    randomize(block)
    merged = {name: parameter.detach().clone() for name, parameter in block.named_parameters()}
    adapters = {name: LowRank(getattr(block, name), rank=2).double() for name in ('pwconv1', 'pwconv2')}
    for name, adapter in adapters.items():
        setattr(block, name, adapter)
    x = torch.randn(2, 8, 9, 7, dtype=torch.float64)
    y = block(x)
    y.square().sum().backward()

    factors = {}
    for name, adapter in adapters.items():
        up, down = (layer.weight.detach().clone().requires_grad_() for layer in (adapter.up, adapter.down))
        merged[f'{name}.weight'] = merged[f'{name}.weight'] + up @ down
        factors[name] = up, down
    expected = reference_block(merged, x)
    expected.square().sum().backward()
    torch.testing.assert_close(y, expected)
    for name, (up, down) in factors.items():
        assert up.grad.abs().max() > 0
        torch.testing.assert_close(adapters[name].up.weight.grad, up.grad)
        torch.testing.assert_close(adapters[name].down.weight.grad, down.grad)


@pytest.mark.parametrize('version', [1, 2])
@pytest.mark.parametrize('grad', [True, False])
def test_hooks_on_the_linear_layers_see_nhwc(version: int, grad: bool) -> None:
    block = Block(8, drop_path=0.0, layer_scale_init_value=1.0, version=version)
    shapes = []
    for layer in (block.pwconv1, block.pwconv2):
        layer.register_forward_hook(lambda layer, inputs, output: shapes.extend((inputs[0].shape, output.shape)))
    with torch.set_grad_enabled(grad):
        block(torch.randn(2, 8, 5, 7))
    assert shapes == [(2, 5, 7, 8), (2, 5, 7, 32), (2, 5, 7, 32), (2, 5, 7, 8)]


# -- timm's variants


def arguments_in_scope(name: str) -> dict:
    return dict(type='convnext_dense.ConvNeXt', arch=SIZE, out_indices=None, **KINDS[name])


@pytest.mark.parametrize('name', KINDS)
@pytest.mark.parametrize('plain', [False, True])
def test_logits_and_gradients_are_those_of_timms_network(name: str, plain: bool) -> None:
    theirs = timm_network(name).train()
    ours = ImageClassifier(arguments_in_scope(name), 4).double().train()
    names = convert({n: torch.tensor(i) for i, n in enumerate(theirs.state_dict())}, 'ours').state
    order = list(theirs.state_dict())
    parameters = dict(theirs.named_parameters())
    ours.load_state_dict(convert(theirs.state_dict(), 'ours').state)
    x = torch.randn(2, 3, 70, 97, dtype=torch.float64)
    expected = theirs(x)
    expected.square().sum().backward()
    with fused_mlp.disabled() if plain else contextlib.nullcontext():
        logits = ours(x)
        logits.square().sum().backward()
    torch.testing.assert_close(logits, expected, rtol=1e-9, atol=1e-12)
    found = dict(ours.named_parameters())
    assert found.keys() == names.keys()
    for own, index in names.items():
        grad = parameters[order[index]].grad
        assert grad.abs().max() > 0, own
        torch.testing.assert_close(found[own].grad.flatten(), grad.flatten(), rtol=1e-7, atol=1e-12, msg=own)


@pytest.mark.parametrize('name', ['convnext_nano_ols', 'test_convnext3'])
@torch.no_grad()
def test_stages_are_those_of_timms_features(name: str) -> None:
    theirs = timm_network(name)
    arguments = {**arguments_in_scope(name), 'out_indices': (0, 1, 2, 3)}
    ours = MODELS.build(arguments).double().eval()
    state = convert(theirs.state_dict(), 'ours').state
    ours.load_state_dict({n.removeprefix('backbone.'): t for n, t in state.items()}, strict=False)
    x = torch.randn(2, 3, 70, 97, dtype=torch.float64)
    eps = KINDS[name].get('norm_eps', 1e-6)
    for own, raw in zip(ours(x), theirs.forward_intermediates(x, intermediates_only=True), strict=True):
        assert own.shape == raw.shape
        expected = F.layer_norm(raw.permute(0, 2, 3, 1), raw.shape[1:2], eps=eps).permute(0, 3, 1, 2)
        torch.testing.assert_close(own, expected, rtol=1e-9, atol=1e-10)


def test_xxlarge_has_another_eps_by_itself_and_zepto_has_not() -> None:
    with torch.device('meta'):
        eps = {
            arch: {m.eps for m in ConvNeXt(arch, out_indices=out).modules() if isinstance(m, nn.LayerNorm)}
            for arch, out in (('xxlarge', None), ('zepto', (0, 3)))
        }
        by_size = ConvNeXt(dict(depths=[3, 4, 30, 3], dims=[384, 768, 1536, 3072]))
        explicit = ConvNeXt('xxlarge', norm_eps=1e-6)
    assert eps == {'xxlarge': {1e-5}, 'zepto': {1e-6}}
    assert (by_size.norm3.eps, explicit.norm3.eps) == (1e-5, 1e-6)


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        (dict(stem='overlapping'), "stem 'overlapping' does not exist: take 'patch', 'overlap', 'overlap_tiered' or"),
        (dict(stem=['patch']), "stem ['patch'] does not exist"),
        (dict(norm='LN'), "norm 'LN' does not exist: take 'layer_norm', 'rms_norm' or 'simple_norm'"),
        (dict(activation='GELU'), "activation 'GELU' does not exist: take 'gelu', 'gelu_tanh'"),
        (dict(version=3), 'version 3 does not exist: take 1 or 2'),
        (dict(norm_eps=0), 'norm_eps 0 is out of range: take a number above 0 and below 1, or None'),
        (dict(norm_eps='1e-6'), "norm_eps '1e-6' is out of range"),
        (dict(final_norm_eps=-1e-6), 'final_norm_eps -1e-06 is out of range'),
        (dict(kernel_size=4), 'kernel_size 4: take an odd number, or four of them'),
        (dict(kernel_size=(7, 7)), 'kernel_size (7, 7): take an odd number'),
        (dict(kernel_size=7.0), 'kernel_size 7.0: take an odd number'),
        (dict(kernel_size=-7), 'kernel_size -7: take an odd number'),
        (dict(norm_before_pooling=True), 'norm_before_pooling is for out_indices=None'),
    ],
)
def test_a_wrong_argument_is_named_in_one_line(options: dict, said: str) -> None:
    with pytest.raises(UserError) as error:
        ConvNeXt(SMALL, **options)
    assert said in str(error.value)
    assert '\n' not in str(error.value)


def test_following_the_weights_changes_every_norm_and_activation_and_keeps_the_layers() -> None:
    model = ConvNeXt(SIZE, stem='overlap_act', out_indices=None)
    layers = dict(model.named_modules())
    model.follow(1e-5, 1e-12, 'gelu')
    assert all(layers[name] is layer for name, layer in model.named_modules())  # hooks stay
    norms = {name: m.eps for name, m in model.named_modules() if isinstance(m, nn.LayerNorm)}
    assert norms.pop('norm') == 1e-12
    assert len(norms) == 1 + 3 + 5 and set(norms.values()) == {1e-5}
    model.follow(1e-5, 1e-12, 'silu')
    kinds = [type(m) for m in model.modules() if isinstance(m, nn.GELU | nn.SiLU)]
    assert kinds == [nn.SiLU] * (1 + 5)


def test_gradient_checkpointing_and_freezing_reach_an_overlapping_stem() -> None:
    torch.manual_seed(0)
    models = [ConvNeXt(SIZE, stem='overlap_act', norm='rms_norm', frozen_stages=0, with_cp=cp) for cp in (False, True)]
    models[1].load_state_dict(models[0].state_dict())
    x = torch.randn(1, 3, 64, 64)
    for model in models:
        sum(y.square().sum() for y in model(x)).backward()
    grads = [{name: p.grad for name, p in model.named_parameters()} for model in models]
    frozen = {name for name, grad in grads[0].items() if grad is None}
    assert frozen == {n for n in grads[0] if n.startswith('downsample_layers.0.')} and len(frozen) == 5
    for name, grad in grads[0].items():
        assert name in frozen or torch.allclose(grad, grads[1][name]), name
