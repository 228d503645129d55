"""Low-rank adapters on a backbone: what they compute, what trains, and what can't be adapted."""

import copy
import importlib.util

import pytest
import torch
from torch import nn

from convnext_dense.errors import UserError
from convnext_dense.models import ConvNeXt, IsotropicConvNeXt, fused_mlp
from convnext_dense.models.compiling import compile_backbone
from convnext_dense.models.lora import (
    LoraSettings,
    adapters_of,
    insert_adapters,
    load_plain,
    lora_settings,
    merge_adapters,
    plain_state,
    split_adapters,
)
from convnext_dense.optim.layer_decay import parameter_groups
from convnext_dense.roadmap.network import RoadmapNet
from tests.helpers.small_classifier import ARCH, classifier

SETTINGS = LoraSettings(2, 3.0)


class Dense(nn.Module):
    """A backbone with the norms of its outputs, and something after it."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.neck = nn.Linear(3, 3)


def adapted(num_classes: int = 4, settings: LoraSettings = SETTINGS, **backbone) -> nn.Module:
    """A classifier with random adapters, in float64."""
    model = classifier(num_classes, **backbone).double()
    insert_adapters(model, settings)
    for name, parameter in model.named_parameters():
        if '.lora_' in name:
            nn.init.normal_(parameter, std=0.5)
    return model


def by_hand(model: nn.Module, scale: float) -> nn.Module:
    """The classifier without adapters whose weights are W + scale * B A, computed here."""
    state = model.state_dict()
    plain = {name.replace('.base_layer', ''): t.clone() for name, t in state.items() if '.lora_' not in name}
    for name, a in state.items():
        if '.lora_A.' in name:
            layer = name.split('.lora_A.')[0]
            plain[f'{layer}.weight'] += scale * state[f'{layer}.lora_B.default.weight'] @ a
    version = 2 if any('.grn.' in name for name in plain) else 1
    other = classifier(len(plain['head.bias']), version=version).double()
    other.load_state_dict(plain)
    return other


@pytest.mark.parametrize('version', [1, 2])
@pytest.mark.parametrize('mode', ['inference', 'training', 'layer by layer'])
def test_an_adapted_layer_computes_w_plus_its_share_of_b_a(version, mode):
    """Whatever path a block takes; the fast one reads the weights of plain layers."""
    model = adapted(version=version)
    merged = by_hand(model, 3 / 2)
    x = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    if mode == 'training':
        losses = [one(x).square().mean() for one in (model, merged)]
        torch.testing.assert_close(*losses, rtol=1e-10, atol=1e-10)
        losses[0].backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for n, p in model.named_parameters() if '.lora_' in n)
        return
    with torch.no_grad(), fused_mlp.disabled() if mode == 'layer by layer' else torch.inference_mode():
        torch.testing.assert_close(model.eval()(x), merged.eval()(x), rtol=1e-10, atol=1e-10)


def test_merging_is_pefts_own_merge():
    model = adapted()
    merged = merge_adapters(*split_adapters(model.state_dict()), SETTINGS.scale)
    for module in model.modules():
        if hasattr(module, 'merge'):
            module.merge()
    theirs = {n.replace('.base_layer', ''): t for n, t in model.state_dict().items() if '.lora_' not in n}
    assert merged.keys() == theirs.keys()
    for name, tensor in theirs.items():
        torch.testing.assert_close(merged[name], tensor, rtol=1e-14, atol=1e-14)


def test_an_adapted_model_begins_as_the_model_that_it_adapts():
    model = classifier()
    before = copy.deepcopy(model)
    line = insert_adapters(model, LoraSettings(2, 2.0))
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(model.eval()(x), before.eval()(x), rtol=1e-4, atol=1e-4)
    assert adapters_of(model) == LoraSettings(2, 2.0)
    assert adapters_of(before) is None
    own = 2 * sum(2 * (dim + 4 * dim) for dim in ARCH['dims'])
    beside = 2 * 16 + 16 * 4 + 4  # final norm, head
    total = sum(p.numel() for p in before.parameters()) + own
    assert line.startswith(
        f'LoRA of rank 2, alpha 2 on 8 pointwise layers: {own + beside:,} of {total:,} parameters train '
        f'({(own + beside) / total:.1%})'
    )


def test_adapters_norms_of_the_outputs_neck_and_heads_train_and_nothing_else():
    model = Dense(ConvNeXt(ARCH, version=2))
    insert_adapters(model, SETTINGS)
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    norms = {f'backbone.norm{i}.{leaf}' for i in range(4) for leaf in ('weight', 'bias')}
    layers = [f'backbone.stages.{s}.0.pwconv{n}' for s in range(4) for n in (1, 2)]
    adapters = {f'{layer}.lora_{letter}.default.weight' for layer in layers for letter in 'AB'}
    assert trained == norms | adapters | {'neck.weight', 'neck.bias'}


def test_groups_have_the_layer_ids_of_their_blocks_and_weight_decay_for_adapters():
    model = classifier()
    insert_adapters(model, SETTINGS)
    rules = dict(decay_rate=0.5, scheme='layer_wise')
    groups = parameter_groups(model, dict(lr=1.0, weight_decay=0.1), rules)
    of = {name: group for group in groups for name in group.parameters}
    assert set(of) == {name for name, p in model.named_parameters() if p.requires_grad}
    plain = {n: g for g in parameter_groups(classifier(), dict(lr=1.0), rules) for n in g.parameters}
    for name, group in of.items():
        if '.lora_' in name:
            block = plain[f'{name.split(".lora_")[0]}.weight']
            assert (group.layer_id, group.lr_scale, group.weight_decay) == (block.layer_id, block.lr_scale, 0.1)


def test_isotropic_and_the_roadmap_s_last_network_are_adapted():
    isotropic = IsotropicConvNeXt('small')
    line = insert_adapters(Dense(isotropic), LoraSettings(4, 4.0))
    assert 'on 36 pointwise layers' in line
    assert {n.split('.')[0] for n, p in isotropic.named_parameters() if p.requires_grad} == {'blocks', 'norm'}
    small = dict(depths=(1, 1, 1, 1), width=8)
    for network in (RoadmapNet('resnet50', 'separate_downsampling', **small), batch_normed(norm_eval=True)):
        model, plain = Dense(network), copy.deepcopy(network)
        insert_adapters(model, SETTINGS)
        for name, parameter in model.named_parameters():
            if '.lora_B.' in name:
                nn.init.normal_(parameter, std=0.5)
        state = model.state_dict()
        load_plain(Dense(plain), merge_adapters(*split_adapters(state), SETTINGS.scale))
        x = torch.randn(1, 3, 64, 64)
        for one, other in zip(network.eval()(x), plain.eval()(x), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_drop_path_stays_and_drops_what_it_drops_without_adapters():
    model, plain = (classifier(drop_path_rate=0.5) for _ in range(2))
    insert_adapters(model, SETTINGS)
    load_plain(model, plain.state_dict())
    x = torch.randn(4, 3, 32, 32)
    results = []
    for one in (model, plain):
        torch.manual_seed(3)
        with fused_mlp.disabled():
            results.append(one.train()(x))
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-4)
    torch.manual_seed(4)
    assert not torch.allclose(model(x), results[0], rtol=1e-3)


def test_compiled_and_in_bfloat16():
    model = adapted().float()
    x = torch.randn(2, 3, 32, 32)
    wanted = model(x)
    with torch.autocast('cpu', torch.bfloat16):
        low = model(x)
    torch.testing.assert_close(low.float(), wanted, rtol=0.1, atol=0.1 * float(wanted.detach().abs().max()))
    low.sum().backward()
    assert all(p.grad.dtype == torch.float32 for p in model.parameters() if p.grad is not None)
    compile_backbone(model, 'eager')
    torch.testing.assert_close(model(x), wanted, rtol=1e-4, atol=1e-4)


def test_recomputed_blocks_give_their_adapters_the_same_gradients():
    models = [adapted(with_cp=with_cp) for with_cp in (False, True)]
    models[1].load_state_dict(models[0].state_dict())
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    for model in models:
        model.train()(x).square().sum().backward()
    for (name, one), other in zip(models[0].named_parameters(), models[1].parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None), name
        if one.grad is not None:
            torch.testing.assert_close(one.grad, other.grad, rtol=1e-9, atol=1e-9)


def test_plain_weights_load_by_their_names_and_undo_adapters():
    model = adapted().float()
    other = classifier()
    load_plain(model, other.state_dict())
    x = torch.randn(1, 3, 32, 32)
    torch.testing.assert_close(model.eval()(x), other.eval()(x), rtol=1e-4, atol=1e-4)
    state = plain_state(model)
    assert state.keys() == other.state_dict().keys()
    assert all(torch.equal(tensor, state[name]) for name, tensor in other.state_dict().items())


class Attention(nn.Module):
    """A backbone of another kind."""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Linear(4, 4)


@pytest.mark.parametrize(
    ('model', 'rank', 'said'),
    [
        (lambda: Dense(ConvNeXt(ARCH)), 5, 'backbone.stages.0.0.pwconv1 has 4 channels: take a rank of at most 4'),
        (lambda: Dense(Attention()), 2, 'Attention has no pointwise layers pwconv1 and pwconv2'),
        (lambda: nn.Linear(2, 2), 2, 'Linear has no pointwise layers'),
        (
            lambda: Dense(ConvNeXt(ARCH, frozen_stages=1)),
            2,
            r'frozen_stages=1 \(--freeze sets it\) freezes layers that LoRA',
        ),
        (lambda: Dense(batch_normed()), 2, r'has BatchNorms \(downsample_layers.0.1\), whose statistics change'),
    ],
)
def test_what_cannot_be_adapted_is_said_in_one_line(model, rank, said):
    with pytest.raises(UserError, match=said) as error:
        insert_adapters(model(), LoraSettings(rank, 2.0))
    assert '\n' not in str(error.value)


def batch_normed(**options) -> RoadmapNet:
    return RoadmapNet('resnet50', 'gelu', depths=(1, 1, 1, 1), width=8, **options)


def test_without_peft_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(UserError, match=r'pip install peft$'):
        insert_adapters(classifier(), SETTINGS)


def test_settings_of_a_config():
    assert lora_settings(None) is None
    assert lora_settings(dict(rank=8)) == (8, 8.0, 0.0)
    assert lora_settings(dict(rank=8, alpha=16, dropout=0.1)) == (8, 16.0, 0.1)
    assert lora_settings(LoraSettings(4, 2.0)._asdict()) == (4, 2.0, 0.0)
    assert LoraSettings(4, 2.0).scale == 0.5
    assert LoraSettings(4, 2.0, 0.1).flags == '--lora 4 --cfg-options lora.alpha=2 lora.dropout=0.1'


@pytest.mark.parametrize(
    ('value', 'said'),
    [
        (8, 'lora is 8: give lora.rank'),
        (dict(alpha=4), 'lora.rank is None: take a whole number'),
        (dict(rank=0), 'lora.rank is 0'),
        (dict(rank=True), 'lora.rank is True'),
        (dict(rank=2.5), 'lora.rank is 2.5'),
        (dict(rank=8, alpha=0), 'lora.alpha is 0: take a number above 0'),
        (dict(rank=8, alpha=float('inf')), 'lora.alpha is inf'),
        (dict(rank=8, alpha='16'), "lora.alpha is '16'"),
        (dict(rank=8, dropout=1), r'lora.dropout is 1: take a number in \[0, 1\)'),
        (dict(rank=8, droput=0.1), "lora has no 'droput': did you mean dropout"),
    ],
)
def test_settings_that_are_wrong_are_refused(value, said):
    with pytest.raises(UserError, match=said):
        lora_settings(value)
