"""Frozen parts: what trains, what is computed without gradients, and what autograd keeps."""

import pytest
import torch
from torch import nn

from convnext_dense import ConvNeXt
from convnext_dense.archs import ISOTROPIC_ARCHS
from convnext_dense.benchmark.memory import memory_of
from convnext_dense.benchmark.weights import randomize
from convnext_dense.models import ImageClassifier, IsotropicConvNeXt
from convnext_dense.models.freezing import describe_frozen, frozen_parts, has_frozen_backbone, shortened
from convnext_dense.roadmap.network import RoadmapNet

CPU = torch.device('cpu')
SMALL = dict(depths=[1, 2, 3, 1], dims=[8, 12, 16, 24])
IMAGES = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def network(**options) -> ConvNeXt:
    model = ConvNeXt(SMALL, layer_scale_init_value=1.0, **options)
    randomize(model)
    return model.train()


def activations(model: nn.Module) -> int:
    """Bytes that autograd keeps for the backward pass of a loss on all outputs."""

    def loss() -> torch.Tensor:
        outputs = model(IMAGES)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        return sum((out * torch.ones(1, requires_grad=True)).sum() for out in outputs)

    return memory_of(loss, loss, model, CPU)


@pytest.mark.parametrize('version', [1, 2])
@pytest.mark.parametrize('with_cp', [False, True])
def test_a_frozen_backbone_keeps_no_activations(version, with_cp):
    options = dict(version=version, with_cp=with_cp)
    trained, first_half, frozen = (activations(network(frozen_stages=k, **options)) for k in (-1, 2, 4))
    # of each output: what its norm takes and gives, each position's mean and scale, and the copy in another layout
    outputs = 4 * 2 * sum((3 * dim + 2) * side**2 for dim, side in zip(SMALL['dims'], (16, 8, 4, 2), strict=True))
    assert frozen <= outputs < trained
    assert frozen < first_half < trained
    pooled = activations(network(frozen_stages=4, out_indices=None, **options))
    assert pooled == 4 * 2 * 24  # the features themselves, for what multiplies them


@pytest.mark.parametrize('out_indices', [None, (0, 1, 2, 3)])
@pytest.mark.parametrize('frozen', [0, 2, 4])
@pytest.mark.parametrize('version', [1, 2])
def test_the_rest_learns_what_it_would_learn_anyway(frozen, out_indices, version):
    """Beside the same network without frozen parts: equal outputs and gradients of what trains."""
    plain, partly = (network(out_indices=out_indices, version=version, frozen_stages=k) for k in (-1, frozen))
    partly.load_state_dict(plain.state_dict())
    totals = []
    for model in (plain, partly):
        outputs = model(IMAGES)
        totals.append(sum(out.square().sum() for out in (outputs if isinstance(outputs, tuple) else (outputs,))))
    torch.testing.assert_close(totals[1], totals[0], rtol=1e-5, atol=0)
    totals[0].backward()
    if frozen == 4 and out_indices is None:
        assert not totals[1].requires_grad
        return
    totals[1].backward()
    expected = {name: p.grad for name, p in plain.named_parameters()}
    for name, parameter in partly.named_parameters():
        if not parameter.requires_grad:
            assert parameter.grad is None, name
            continue
        torch.testing.assert_close(parameter.grad, expected[name], rtol=1e-3, atol=1e-3 * expected[name].abs().max())


def computed_with_gradients(model: nn.Module, images: torch.Tensor) -> set[str]:
    """Names of the blocks that run while autograd is on."""
    names = set()
    for name, module in model.named_modules():
        if type(module).__name__ == 'Block':
            module.register_forward_pre_hook(
                lambda module, inputs, name=name: names.add(name) if torch.is_grad_enabled() else None
            )
    model(images)
    return names


def test_frozen_stages_run_without_autograd_so_that_the_fast_kernels_apply():
    blocks = {f'stages.{stage}.{block}' for stage, depth in enumerate(SMALL['depths']) for block in range(depth)}
    assert computed_with_gradients(network(), IMAGES) == blocks
    assert computed_with_gradients(network(frozen_stages=0), IMAGES) == blocks
    late = {name for name in blocks if name.startswith(('stages.2', 'stages.3'))}
    assert computed_with_gradients(network(frozen_stages=2), IMAGES) == late
    assert computed_with_gradients(network(frozen_stages=4), IMAGES) == set()


def test_what_trains_inside_of_frozen_stages_gets_its_gradient():
    """As with adapters, or with stages that are thawed later: no setting decides, but what needs a gradient."""
    model = network(frozen_stages=4)
    adapter = model.stages[1][1].pwconv1.weight.requires_grad_(True)
    model(IMAGES)[3].sum().backward()
    assert adapter.grad.abs().max() > 0
    assert model.stages[2][0].pwconv1.weight.grad is None


def test_a_gradient_of_the_images_passes_through():
    images = IMAGES.clone().requires_grad_(True)
    network(frozen_stages=4)(images)[3].sum().backward()
    assert images.grad.abs().max() > 0


def test_the_final_norm_of_a_classifier_is_frozen_with_the_backbone_and_norms_of_outputs_are_not():
    def trained(**options) -> list[str]:
        return [name for name, p in network(**options).named_parameters() if p.requires_grad]

    assert trained(frozen_stages=4, out_indices=None) == []
    assert trained(frozen_stages=4, out_indices=None, norm_before_pooling=True) == []
    assert trained(frozen_stages=4, out_indices=(3,)) == ['norm3.weight', 'norm3.bias']
    assert 'norm.weight' in trained(frozen_stages=3, out_indices=None)


def test_statistics_of_a_frozen_network_of_the_roadmap_stay():
    small = dict(depths=(1, 1, 1, 1), width=4)
    model = RoadmapNet('resnet50', 'separate_downsampling', norm='bn', frozen_stages=4, out_indices=None, **small)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.train()(IMAGES)
    assert len(before) > 20 and all(torch.equal(before[name], t) for name, t in model.state_dict().items())


@pytest.mark.parametrize(
    ('frozen', 'blocks', 'trains'),
    [(-1, {'blocks.0', 'blocks.1'}, 'all'), (0, {'blocks.0', 'blocks.1'}, 'blocks'), (1, set(), 'none')],
)
def test_an_isotropic_network_freezes_its_stem_or_all(frozen, blocks, trains, monkeypatch):
    monkeypatch.setitem(ISOTROPIC_ARCHS, 'small', (2, 16))
    model = IsotropicConvNeXt('small', drop_path_rate=0.5, frozen_stages=frozen).train()
    names = {name.split('.')[0] for name, p in model.named_parameters() if p.requires_grad}
    assert names == {'all': {'stem', 'blocks', 'norm'}, 'blocks': {'blocks', 'norm'}, 'none': set()}[trains]
    assert computed_with_gradients(model, IMAGES) == blocks
    assert model.blocks[1].training == (frozen < 1)


def test_the_line_of_the_log_counts_and_names():
    backbone = dict(type='convnext_dense.ConvNeXt', arch=SMALL, out_indices=None)
    model = ImageClassifier({**backbone, 'frozen_stages': 4}, 3)
    count = sum(p.numel() for p in model.parameters())
    assert describe_frozen(model) == f'backbone frozen: 75 of {count:,} parameters train (head)'
    assert has_frozen_backbone(model)
    partly = ImageClassifier({**backbone, 'frozen_stages': 1}, 3)
    assert frozen_parts(partly) == ['backbone.downsample_layers.0', 'backbone.stages.0']
    assert describe_frozen(partly).endswith(
        'backbone.stages.1, backbone.stages.2, backbone.stages.3, backbone.norm, head)'
    )
    assert not has_frozen_backbone(partly)
    assert describe_frozen(ImageClassifier(backbone, 3)) is None
    model.requires_grad_(False)
    assert describe_frozen(model) == f'backbone, head frozen: 0 of {count:,} parameters train (none)'


def test_a_backbone_without_parameters_or_none_at_all_is_not_frozen():
    model = nn.Module()
    assert not has_frozen_backbone(model)
    model.backbone = nn.Identity()
    assert not has_frozen_backbone(model)
    model.backbone = nn.Linear(2, 2).requires_grad_(False)
    assert has_frozen_backbone(model)


def test_a_long_list_of_parts_is_whole_and_shown_shortened():
    model = nn.Sequential(*(nn.Linear(1, 1) for _ in range(21)))
    for part in model[::2]:
        part.requires_grad_(False)
    assert frozen_parts(model) == [str(index) for index in range(0, 21, 2)]
    assert shortened(frozen_parts(model)) == '0, 2, 4, 6, 8, 10, 12, 14 and 3 more'
    assert describe_frozen(model).startswith('0, 2, 4, 6, 8, 10, 12, 14 and 3 more frozen: 20 of 42 parameters train')
