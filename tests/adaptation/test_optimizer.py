"""Tests of the optimizer of an adapted config, against mmengine's constructor with the source's rules."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn

from convnext_dense.adaptation.arch import find_arch
from convnext_dense.adaptation.notes import Notes
from convnext_dense.adaptation.optimizer import _multipliers, adapt_optimizer, find_total_batch
from convnext_dense.adaptation.packaged import find_recipe
from convnext_dense.adaptation.sources import SourceConfig, find_source
from convnext_dense.optim.layer_decay import parameter_groups
from convnext_dense.tasks.adaptation import DetectorAdaptation, SegmentorAdaptation


class Toy(nn.Module):
    """Parts with the names and kinds of parameters that a detector with queries has."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.ModuleDict({'conv': nn.Conv2d(3, 4, 3), 'norm0': nn.LayerNorm(4)})
        self.decoder = nn.ModuleDict({'attention': nn.MultiheadAttention(4, 2), 'norms': nn.LayerNorm(4)})
        self.sampling_offsets, self.reference_points = nn.Linear(4, 4), nn.Linear(4, 2)
        self.query_embed, self.query_feat, self.level_embed = (nn.Embedding(5, 4) for _ in range(3))
        self.bn = nn.BatchNorm1d(4)


def by_name(groups, model):
    values = {id(p): (group['lr'], group['weight_decay']) for group in groups for p in group['params']}
    return {name: values[id(p)] for name, p in model.named_parameters()}


def stock(optimizer, rules, model):
    wrapper = dict(type='OptimWrapper', optimizer=dict(optimizer))
    return by_name(DefaultOptimWrapperConstructor(wrapper, rules)(model).param_groups, model)


def ours(optimizer, rules, model):
    groups = parameter_groups(model, optimizer, rules)
    return {name: (group.lr, group.weight_decay) for group in groups for name in group.parameters}


SOURCES = [
    'mmdet:dino/dino-4scale_r50_8xb2-12e_coco.py',
    'mmdet:deformable_detr/deformable-detr_r50_16xb2-50e_coco.py',
    'mmdet:mask2former/mask2former_r50_8xb2-lsj-50e_coco.py',
    'mmdet:rtmdet/rtmdet_s_8xb32-300e_coco.py',
]


@pytest.mark.parametrize('name', SOURCES)
def test_kept_rules_give_each_parameter_the_lr_and_decay_of_the_source(name):
    wrapper, model = find_source(name).cfg.optim_wrapper.to_dict(), Toy()
    optimizer, rules = wrapper['optimizer'], wrapper['paramwise_cfg']
    adapted = _multipliers(rules, [n for n, _ in model.named_parameters()], Notes())
    want, got = stock(optimizer, rules, model), ours(optimizer, adapted, model)
    if 'mask2former' in name:  # the source's backbone has frozen norms; those of ConvNeXt follow the rule for norms
        assert got['backbone.norm0.weight'] == pytest.approx((1e-5, 0.0))
        want = {key: value for key, value in want.items() if not key.startswith('backbone.norm')}
    if 'rtmdet' in name:  # it has no attention, whose biases mmengine does not take for biases
        del want['decoder.attention.in_proj_bias']
    for key, value in want.items():
        assert got[key] == pytest.approx(value), key


def test_a_key_without_a_decay_overrides_the_rules_as_in_mmengine():
    rules = {'norm_decay_mult': 0.0, 'bias_decay_mult': 0.0, 'custom_keys': {'sampling_offsets': {'lr_mult': 0.1}}}
    optimizer, model = {'type': 'AdamW', 'lr': 1e-4, 'weight_decay': 0.05}, Toy()
    adapted = _multipliers(rules, [n for n, _ in model.named_parameters()], Notes())
    name = 'sampling_offsets.bias'
    assert ours(optimizer, adapted, model)[name] == pytest.approx(stock(optimizer, rules, model)[name])
    assert stock(optimizer, rules, model)[name] == pytest.approx((1e-5, 0.05))


def test_multipliers_of_the_old_backbone_and_of_absent_parts_are_left_out_and_said():
    rules = {
        'norm_decay_mult': 1.0,
        'custom_keys': {
            'backbone': {'lr_mult': 0.1, 'decay_mult': 1.0},
            'backbone.patch_embed.norm': {'lr_mult': 0.1, 'decay_mult': 0.0},
            'absolute_pos_embed': {'decay_mult': 0.0},
        },
    }
    notes = Notes()
    adapted = _multipliers(rules, ['backbone.stages.0.weight', 'head.weight'], notes)
    assert adapted == {
        'norm_decay_mult': 0.0,
        'bias_decay_mult': 1.0,
        'custom_keys': {'backbone': {'lr_mult': 0.1}},
    }
    assert any('absolute_pos_embed' in line for line in notes.changed)
    assert any('1 multipliers of the old backbone' in line for line in notes.changed)


def test_sgd_becomes_the_packaged_recipe_at_the_batch_of_the_source():
    source, notes = find_source('mmdet:fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py'), Notes()
    recipe = find_recipe(DetectorAdaptation.recipe, find_arch('base'))
    adapted = adapt_optimizer(source, recipe, {}, notes)
    assert adapted.wrapper['paramwise_cfg'] == {'decay_rate': 0.8, 'scheme': 'layer_wise'}
    assert adapted.wrapper['optimizer']['type'] == 'AdamW'
    assert adapted.wrapper['optimizer']['lr'] == 2e-4
    assert adapted.wrapper['clip_grad'] == source.cfg.optim_wrapper.clip_grad
    assert adapted.lr_factor == 2e-4 / 0.01
    assert adapted.is_replaced
    assert notes.changed == [
        'SGD becomes AdamW with layer-wise lr decay of 0.8, from configs/det/cascade_convnext_b_coco.py: lr 0.0002 '
        'for 16 images'
    ]
    at_8 = find_source('mmseg:pspnet/pspnet_r50-d8_4xb2-40k_cityscapes-512x1024.py')
    adapted = adapt_optimizer(at_8, find_recipe(SegmentorAdaptation.recipe, find_arch('tiny')), {}, Notes())
    assert adapted.total_batch == 8
    assert adapted.wrapper['optimizer']['lr'] == pytest.approx(1e-4 / 2**0.5, rel=1e-3)
    assert adapted.wrapper['paramwise_cfg']['scheme'] == 'stage_wise'


def test_recipe_of_convnext_keeps_its_decay():
    source = find_source('mmdet:convnext/mask-rcnn_convnext-t-p4-w7_fpn_amp-ms-crop-3x_coco.py')
    adapted = adapt_optimizer(source, find_recipe(DetectorAdaptation.recipe, find_arch('small')), {}, Notes())
    assert adapted.wrapper['paramwise_cfg'] == {'decay_rate': 0.95, 'scheme': 'layer_wise'}
    assert adapted.wrapper['optimizer'].items() >= {'lr': 1e-4, 'weight_decay': 0.05}.items()
    assert adapted.wrapper['type'] == 'AmpOptimWrapper'
    assert not adapted.is_replaced


def test_total_batch_is_that_of_the_name_of_the_statement_or_of_the_gpus():
    def batch(name, images, stated=None):
        cfg = {'train_dataloader': {'batch_size': images}, 'optim_wrapper': {}}
        cfg |= {'auto_scale_lr': {'base_batch_size': stated}} if stated else {}
        notes = Notes()
        return find_total_batch(SourceConfig(name, 'mmdet', Path(name), Config(cfg)), notes), notes

    assert batch('x_8xb32-300e_coco.py', 32)[0] == 256
    total, notes = batch('x_8xb32-300e_coco.py', 32, stated=16)  # RTMDet inherits the 16
    assert total == 256
    assert 'base_batch_size=16' in notes.changed[0]
    assert batch('x_1x_coco.py', 2, stated=16) == (16, Notes())
    total, notes = batch('x_1x_coco.py', 2)
    assert total == 16
    assert '8 GPUs with 2 each' in notes.undecided[0]


def test_multipliers_of_a_model_are_checked_against_its_parameters():
    model = {'type': 'mmdet.RetinaNet', 'backbone': {'type': 'convnext_dense.ConvNeXt', 'arch': 'huge'}, 'neck': None}
    source = find_source('mmdet:pvt/retinanet_pvt-t_fpn_1x_coco.py')
    source.cfg.optim_wrapper.paramwise_cfg = {'custom_keys': {'cls_convs': {'lr_mult': 2.0}, 'pos_embed': {}}}
    model['bbox_head'] = {'type': 'mmdet.RetinaHead', 'num_classes': 3, 'in_channels': 8}
    before = torch.get_rng_state()
    adapted = adapt_optimizer(source, find_recipe(DetectorAdaptation.recipe, find_arch('tiny')), model, Notes())
    assert adapted.wrapper['paramwise_cfg']['custom_keys'] == {'cls_convs': {'lr_mult': 2.0}}
    assert torch.equal(before, torch.get_rng_state())
