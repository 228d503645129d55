"""Names of parts and layers in messages."""

import pytest
import torch

from convnext_dense.weights.layer_names import group_by_module, name_layers, part_of, parts_left_over


@pytest.mark.parametrize(
    ('name', 'part'),
    [
        ('backbone.norm.weight', 'final norm'),
        ('backbone.norm2.weight', 'norms of the outputs'),
        ('backbone.stages.0.0.norm.weight', 'backbone'),
        ('backbone', 'backbone'),
        ('roi_head.bbox_head.fc_cls.weight', 'roi_head'),
        ('level_embed', 'level_embed'),
    ],
)
def test_a_name_begins_with_its_part(name, part):
    assert part_of(name) == part


def test_tensors_of_the_model_itself_are_alone_under_their_own_names():
    state = dict.fromkeys(['level_embed', 'query', 'neck.0.weight', 'neck.0.bias', 'backbone.mask'], torch.zeros(1))
    assert group_by_module(state) == {
        'level_embed': ['level_embed'],
        'query': ['query'],
        'neck.0': ['neck.0.weight', 'neck.0.bias'],
        'backbone': ['backbone.mask'],
    }


@pytest.mark.parametrize(
    ('chosen', 'named'),
    [
        (['roi.box.0.cls', 'roi.box.1.cls', 'roi.box.2.cls'], ['roi.box.0-2.cls']),
        (['roi.box.0.cls', 'roi.box.2.cls'], ['roi.box.0.cls', 'roi.box.2.cls']),
        (['roi.box.0.cls', 'roi.box.0.fc'], ['roi.box.0']),
        (['neck.a.0', 'neck.a.1', 'roi.mask'], ['neck', 'roi.mask']),
        (['backbone.norm0', 'backbone.norm1', 'level_embed'], ['level_embed', 'norms of the outputs']),
        ([], []),
    ],
)
def test_layers_are_named_by_the_largest_part_that_holds_no_other(chosen, named):
    modules = [f'roi.box.{i}.{layer}' for i in range(3) for layer in ('cls', 'fc')]
    modules += ['roi.mask', 'neck.a.0', 'neck.a.1', 'backbone.stem', 'backbone.norm0', 'backbone.norm1', 'level_embed']
    assert name_layers(modules, chosen) == named


def test_open_clips_other_tensors_are_two_parts():
    names = ['logit_scale', 'visual.head.mlp.fc1.weight', 'token_embedding.weight', 'text.ln_final.bias']
    assert parts_left_over(names) == ['text tower', 'image embedding', 'text tower', 'text tower']
    names, parts = ['transformer.a', 'neck.b', 'backbone.norm1.bias'], ['transformer', 'neck', 'norms of the outputs']
    assert parts_left_over([*names, 'backbone.fpn.inner_blocks.0.0.weight']) == [*parts, 'backbone.fpn']
