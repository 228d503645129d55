"""The parts of a backbone that ConvNeXt and the networks of the roadmap share, by the example of ConvNeXt."""

import pytest
import torch
from torch import Tensor

from convnext_dense import ConvNeXt
from convnext_dense.errors import UserError

SMALL = dict(depths=[1, 2, 1, 1], dims=[8, 12, 16, 24])


def relative_difference(a: Tensor, b: Tensor) -> float:
    return ((a - b).abs().max() / b.abs().max()).item()


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
@pytest.mark.parametrize('index', [-1, 3, 0, -3])
def test_one_stage_may_be_a_number(index):
    x = torch.randn(1, 3, 64, 64)
    model, listed = ConvNeXt(SMALL, out_indices=index).eval(), ConvNeXt(SMALL, out_indices=[index]).eval()
    listed.load_state_dict(model.state_dict())
    assert model.out_indices == listed.out_indices == (index % 4,)
    (output,), (expected,) = model(x), listed(x)
    assert torch.equal(output, expected)


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


@pytest.mark.parametrize(
    ('arguments', 'named'),
    [
        (dict(arch='teeny'), 'tiny'),
        (dict(arch=dict(depths=[1, 2], dims=[1, 2, 3, 4])), 'depths'),
        (dict(arch=dict(depths=[1, 1, 1, 1])), 'dims'),
        (dict(out_indices=(0, 4)), '4 is out of range'),
        (dict(out_indices=(-5,)), '-5 is out of range'),
        (dict(out_indices=4), '4 is out of range'),
        (dict(out_indices='last'), "out_indices 'last': 'l' is out of range"),
        (dict(out_indices=(0, 1.5)), '1.5 is out of range'),
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


@torch.no_grad()
def test_hooks_on_stages_see_their_outputs():
    model, seen = ConvNeXt(SMALL).eval(), []
    for stage in model.stages:
        stage.register_forward_hook(lambda module, inputs, output: seen.append(output))
    outputs = model(torch.randn(1, 3, 64, 64))
    assert len(seen) == 4
    for i, (raw, output) in enumerate(zip(seen, outputs, strict=True)):
        assert torch.equal(model.get_submodule(f'norm{i}')(raw), output)
