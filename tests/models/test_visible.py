"""The encoder under a mask against a plain statement that loops over visible positions, as a sparse network does."""

import contextlib
import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from convnext_dense.errors import UserError
from convnext_dense.models import fused_mlp
from convnext_dense.models.convnext import Block, ConvNeXt
from convnext_dense.models.visible import VisiblePatches, places_of

SMALL = dict(depths=[1, 2, 1, 1], dims=[4, 6, 8, 10])
DEPTHS = SMALL['depths']
VISIBLE = torch.tensor([[0, 4], [2, 3]])  # of 2 x 3 patches; two of them touch at a corner, two in no place
Sparse = dict[tuple[int, int], Tensor]
"""Of one image, the features (C,) at each place (y, x) that exists."""


def network(version: int = 2, seed: int = 0, **options) -> ConvNeXt:
    """A network in which every parameter counts, and activations stay near 1."""
    torch.manual_seed(seed)
    options = dict(arch=SMALL, version=version, in_channels=5, out_indices=(), layer_scale_init_value=1.0) | options
    built = ConvNeXt(**options)
    for name, p in built.named_parameters():
        if p.ndim == 1 or 'grn' in name:
            torch.nn.init.uniform_(p, 0.2, 1)
        else:
            torch.nn.init.normal_(p, std=p[0].numel() ** -0.5)
    return built.double()


def normed(x: Tensor, p: dict[str, Tensor], name: str) -> Tensor:  # (C,)
    centered = x - x.mean()
    return centered / torch.sqrt((centered**2).mean() + 1e-6) * p[f'{name}.weight'] + p[f'{name}.bias']


def sparse_block(p: dict[str, Tensor], x: Sparse) -> Sparse:
    hidden: Sparse = {}
    for row, column in x:
        y = p['dwconv.bias']
        for i in range(-3, 4):
            for j in range(-3, 4):
                if (row + i, column + j) in x:
                    y = y + x[row + i, column + j] * p['dwconv.weight'][:, 0, 3 + i, 3 + j]
        y = p['pwconv1.weight'] @ normed(y, p, 'norm') + p['pwconv1.bias']
        hidden[row, column] = 0.5 * y * (1 + torch.erf(y / math.sqrt(2)))
    if 'grn.gamma' in p:
        g = torch.sqrt(sum(y**2 for y in hidden.values()))  # over the places of this image
        scale, beta = g / (g.mean() + 1e-6), p['grn.beta'].flatten()
        hidden = {place: p['grn.gamma'].flatten() * (y * scale) + beta + y for place, y in hidden.items()}
    branch = {place: p['pwconv2.weight'] @ y + p['pwconv2.bias'] for place, y in hidden.items()}
    return {place: x[place] + y * p.get('gamma', torch.ones(())) for place, y in branch.items()}


def sparse_network(p: dict[str, Tensor], image: Tensor, visible: list[int], stem: str) -> dict[int, Tensor]:
    """The last stage's features at the visible patches of an image (C, H, W), by the patches' numbers."""
    columns = image.shape[2] // 32
    places = [
        (patch // columns * 8 + i, patch % columns * 8 + j) for patch in visible for i in range(8) for j in range(8)
    ]
    x: Sparse = {}
    if stem == 'patch':
        for row, column in places:
            pixels = image[:, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
            weight, bias = p['downsample_layers.0.0.weight'], p['downsample_layers.0.0.bias']
            features = torch.stack([(kernel * pixels).sum() for kernel in weight]) + bias
            x[row, column] = normed(features, p, 'downsample_layers.0.1')
    else:  # the stem sees all of the image
        y = image[None]
        for i in (0, 1):
            layer = f'downsample_layers.0.{i}'
            y = F.conv2d(y, p[f'{layer}.weight'], p[f'{layer}.bias'], stride=2, padding=1)
        x = {(row, column): normed(y[0, :, row, column], p, 'downsample_layers.0.2') for row, column in places}
    for s, depth in enumerate(DEPTHS):
        if s:
            layer = f'downsample_layers.{s}'
            x = {place: normed(features, p, f'{layer}.0') for place, features in x.items()}
            kernel, coarse = p[f'{layer}.1.weight'], {(row // 2, column // 2) for row, column in x}
            x = {
                (row, column): p[f'{layer}.1.bias']
                + sum(kernel[:, :, i, j] @ x[2 * row + i, 2 * column + j] for i in (0, 1) for j in (0, 1))
                for row, column in sorted(coarse)
            }
        for b in range(depth):
            prefix = f'stages.{s}.{b}.'
            x = sparse_block({n.removeprefix(prefix): t for n, t in p.items() if n.startswith(prefix)}, x)
    return {row * columns + column: features for (row, column), features in x.items()}


@pytest.mark.parametrize('plain', [False, True])
@pytest.mark.parametrize('stacked', [True, False])
@pytest.mark.parametrize(
    ('version', 'stem'), [(1, 'patch'), (2, 'patch'), (2, 'overlap')], ids=['v1', 'v2', 'v2-overlap']
)
def test_equals_a_loop_over_visible_positions(version, stem, stacked, plain, sparse_results):
    built = network(version, stem=stem)
    images = example_images()
    wanted, wanted_gradients = sparse_results(version, stem)
    with fused_mlp.disabled() if plain else contextlib.nullcontext():
        out = built(images, VisiblePatches(VISIBLE, stacked))
        loss_of(out).backward()
        with torch.no_grad():
            inferred = built.eval()(images, VisiblePatches(VISIBLE, stacked))
    torch.testing.assert_close(out, wanted, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(inferred, wanted, rtol=1e-9, atol=1e-9)
    for name, p in built.named_parameters():
        torch.testing.assert_close(p.grad, wanted_gradients[name], rtol=1e-8, atol=1e-8, msg=name)
        assert p.grad.any(), name


@pytest.mark.parametrize('stacked', [True, False])
def test_in_float32_it_differs_by_rounding(stacked, sparse_results):
    wanted, _ = sparse_results(2, 'patch')
    out = network(2).float()(example_images().float(), VisiblePatches(VISIBLE, stacked))
    assert (out - wanted).abs().max() < 1e-5 * wanted.abs().max()


def example_images() -> Tensor:
    return torch.randn(2, 5, 64, 96, dtype=torch.double, generator=torch.Generator().manual_seed(1))


def loss_of(out: Tensor) -> Tensor:
    weights = torch.randn(out.shape, dtype=out.dtype, generator=torch.Generator().manual_seed(2))
    return (out * weights).sum() + (out**3).sum()


@pytest.fixture(scope='module')
def sparse_results():
    """Function that returns outputs and gradients by the plain statement, of :func:`network`."""
    known: dict[tuple, tuple[Tensor, dict[str, Tensor]]] = {}

    def results(version: int, stem: str) -> tuple[Tensor, dict[str, Tensor]]:
        if (version, stem) not in known:
            p = dict(network(version, stem=stem).named_parameters())
            outputs = [
                sparse_network(p, image, visible, stem)
                for image, visible in zip(example_images(), VISIBLE.tolist(), strict=True)
            ]
            out = torch.zeros(2, 10, 2, 3, dtype=torch.double)
            for n, features in enumerate(outputs):
                for patch, x in features.items():
                    out[n, :, patch // 3, patch % 3] = x
            gradients = torch.autograd.grad(loss_of(out), list(p.values()))
            known[version, stem] = (out.detach(), dict(zip(p, gradients, strict=True)))
        return known[version, stem]

    return results


@pytest.mark.parametrize('mode', ['training', 'evaluation', 'layer by layer'])
@pytest.mark.parametrize('stacked', [True, False])
@pytest.mark.parametrize('version', [1, 2])
def test_hidden_pixels_change_nothing_to_the_bit(version, stacked, mode):
    built = network(version, in_channels=3, arch=dict(depths=[2, 1, 2, 1], dims=[16, 24, 40, 48])).float()
    built.train(mode == 'training')
    images = torch.randn(3, 3, 128, 160)
    visible = torch.stack([torch.randperm(20)[:8].sort().values for _ in range(3)])
    hidden = torch.ones(3, 20, dtype=torch.bool).scatter_(1, visible, False).view(3, 1, 4, 1, 5, 1)
    hidden = hidden.expand(3, 3, 4, 32, 5, 32).reshape(3, 3, 128, 160)
    others = torch.where(hidden, 100 * torch.randn_like(images), images)
    outputs, gradients = [], []
    with fused_mlp.disabled() if mode == 'layer by layer' else contextlib.nullcontext():
        for pixels in (images, others):
            pixels.requires_grad_(mode != 'evaluation')
            with torch.set_grad_enabled(mode != 'evaluation'):
                outputs.append(built(pixels, VisiblePatches(visible, stacked)))
            if mode != 'evaluation':
                built.zero_grad()
                (outputs[-1] ** 2).sum().backward()
                assert not pixels.grad[hidden].any() and pixels.grad[~hidden].all()
                gradients.append({n: p.grad.clone() for n, p in built.named_parameters()})
    assert torch.equal(*outputs)
    shown = torch.zeros(3, 20, dtype=torch.bool).scatter_(1, visible, True).view(3, 1, 4, 5).expand_as(outputs[0])
    assert not outputs[0][~shown].any() and outputs[0][shown].all()
    for n, image in enumerate(outputs[0]):  # no image sees another one
        alone = built(images[n : n + 1], VisiblePatches(visible[n : n + 1], stacked))[0]
        torch.testing.assert_close(image, alone, rtol=1e-4, atol=1e-5)
    if stacked and gradients:
        assert all(torch.equal(gradients[0][name], gradients[1][name]) for name in gradients[0])


def test_an_overlapping_stem_sees_three_pixels_around_a_visible_patch():
    built = network(stem='overlap_act', in_channels=1)
    images = torch.randn(1, 1, 96, 96, dtype=torch.double, requires_grad=True)
    built(images, VisiblePatches(torch.tensor([[4]]))).square().sum().backward()
    seen = images.grad[0, 0].nonzero()
    assert seen.min(dim=0).values.tolist() == [29, 29]
    assert seen.max(dim=0).values.tolist() == [63, 63]


@pytest.mark.parametrize('stacked', [True, False])
@pytest.mark.parametrize('version', [1, 2])
def test_all_patches_visible_are_the_network_without_a_mask(version, stacked):
    built = network(version)
    images = torch.randn(2, 5, 64, 32, dtype=torch.double)
    everything = VisiblePatches(torch.tensor([[0, 1], [0, 1]]), stacked)
    torch.testing.assert_close(built(images, everything), built(images))


@pytest.mark.parametrize('version', [1, 2])
def test_a_block_without_a_mask_runs_the_same_operations_as_ever(version):
    block = Block(8, 0.0, 1.0, version)
    operations = [n.target.__name__ for n in make_fx(block)(torch.randn(1, 8, 4, 4)).graph.nodes if callable(n.target)]

    def as_ever(x: Tensor) -> Tensor:
        y = block.norm(block.dwconv(x).permute(0, 2, 3, 1))
        y = block.pwconv2(block.grn(block.act(block.pwconv1(y))))
        y = y if block.gamma is None else y * block.gamma
        return x + y.permute(0, 3, 1, 2)

    wanted = [n.target.__name__ for n in make_fx(as_ever)(torch.randn(1, 8, 4, 4)).graph.nodes if callable(n.target)]
    assert operations == wanted
    x = torch.randn(2, 8, 16, 16)
    with fused_mlp.disabled():
        assert torch.equal(block(x), as_ever(x))


@pytest.mark.parametrize('stacked', [True, False])
@pytest.mark.parametrize('version', [1, 2])
def test_frozen_stages_checkpointing_and_drop_path(version, stacked):
    visible = VisiblePatches(VISIBLE, stacked)
    images, gradients = example_images(), []
    for with_cp in (False, True):
        built = network(version, frozen_stages=1, with_cp=with_cp, drop_path_rate=0.5).train()
        torch.manual_seed(5)
        loss_of(built(images, visible)).backward()
        trained = {name: p.grad for name, p in built.named_parameters() if p.grad is not None}
        assert {name.split('.')[1] for name in trained} == {'1', '2', '3'}
        gradients.append(trained)
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize('stacked', [True, False])
def test_compiles_into_one_graph(stacked):
    built, images = network().train(), example_images()
    compiled = torch.compile(built, backend='aot_eager', fullgraph=True)
    outputs = [module(images, VisiblePatches(VISIBLE, stacked)) for module in (built, compiled)]
    torch.testing.assert_close(*outputs)
    gradients = [torch.autograd.grad(loss_of(out), list(built.parameters())) for out in outputs]
    torch.testing.assert_close(*gradients)


def test_patches_are_stacked_in_the_order_of_their_numbers():
    places = places_of(VisiblePatches(torch.tensor([[1, 2]])), 2, 64, 64)
    x = torch.arange(16.0).view(1, 1, 4, 4)  # 2 x 2 positions of each patch
    stacked = places.stack(x)
    assert stacked.shape == (1, 1, 4, 2)
    assert stacked.flatten().tolist() == [2, 3, 6, 7, 8, 9, 12, 13]
    assert places.spread(stacked).flatten().tolist() == [0, 0, 2, 3, 0, 0, 6, 7, 8, 9, 0, 0, 12, 13, 0, 0]


def test_a_backbone_with_norms_of_outputs_takes_no_visible_patches():
    with pytest.raises(UserError, match=r'^visible patches are for a backbone with out_indices=\(\)'):
        ConvNeXt(SMALL)(torch.randn(2, 3, 64, 96), VisiblePatches(VISIBLE))


def test_wrong_images_are_refused():
    with pytest.raises(UserError, match=r'^the input has 3 channels, this ConvNeXt takes 5'):
        network()(torch.randn(2, 3, 64, 96).double(), VisiblePatches(VISIBLE))
    with pytest.raises(UserError, match=r'^images of 65 x 96 pixels .* such as 64 x 96$'):
        network()(torch.randn(2, 5, 65, 96).double(), VisiblePatches(VISIBLE))
