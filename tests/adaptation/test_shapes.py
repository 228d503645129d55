"""Shapes of what parts of models return, without memory for their weights."""

import pytest
import torch

import convnext_dense.models.detector  # noqa: F401
from convnext_dense.adaptation.notes import NotAdaptable
from convnext_dense.adaptation.shapes import build_part, feature_shapes

FPN = dict(type='mmdet.FPN', in_channels=[8, 16], out_channels=4, num_outs=3)


def test_shapes_are_those_of_the_part_on_real_tensors():
    inputs = [(8, 32, 48), (16, 16, 24)]
    part = build_part(FPN, 'cpu')
    part.eval()
    outputs = part([torch.zeros(1, *shape) for shape in inputs])
    assert feature_shapes([FPN], inputs, 'it') == [tuple(one.shape[1:]) for one in outputs]
    assert feature_shapes([FPN], inputs, 'it') == [(4, 32, 48), (4, 16, 24), (4, 8, 12)]


def test_parts_run_one_after_the_other():
    second = dict(type='mmdet.BFP', in_channels=4, num_levels=3)
    assert feature_shapes([FPN, second], [(8, 32, 32), (16, 16, 16)], 'it')[0] == (4, 32, 32)


def test_weights_take_no_memory_and_values_that_are_read_while_building_stay_values():
    swin = build_part(dict(type='mmdet.SwinTransformer', drop_path_rate=0.2))  # which reads its rates from a tensor
    assert all(one.is_meta for one in [*swin.parameters(), *swin.buffers()])
    assert swin.stages[3].blocks[1].ffn.dropout_layer.drop_prob == pytest.approx(0.2)


def test_the_random_state_stays():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    feature_shapes([FPN], [(8, 32, 32), (16, 16, 16)], 'it')
    assert torch.rand(1) == expected


def test_what_does_not_fit_is_named():
    with pytest.raises(NotAdaptable, match=r'^its neck does not run: .*expected input.* to have 16 channels'):
        feature_shapes([FPN], [(8, 32, 32), (12, 16, 16)], 'its neck')
