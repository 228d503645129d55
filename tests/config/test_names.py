"""Names of classes in configs: each builds the class that it stands for."""

import importlib

import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope

from convnext_dense import registry
from convnext_dense.config.names import name_of, with_names

PARTS = [
    ('convnext_dense.models', 'ConvNeXt', 'MODELS', 'mmseg', 'convnext_dense.ConvNeXt'),
    ('convnext_dense.models.segmentor', 'UPerHead', 'MODELS', 'mmseg', 'convnext_dense.UPerHead'),
    ('mmseg.models', 'FCNHead', 'MODELS', 'mmseg', 'mmseg.FCNHead'),
    ('mmdet.models', 'RPNHead', 'MODELS', 'mmdet', 'mmdet.RPNHead'),
    ('mmdet.models.losses', 'CrossEntropyLoss', 'MODELS', 'mmseg', 'mmdet.CrossEntropyLoss'),
    ('torch.optim', 'AdamW', 'OPTIMIZERS', 'mmengine', 'AdamW'),
    ('mmengine.utils.dl_utils.parrots_wrapper', 'SyncBatchNorm', 'MODELS', 'mmseg', 'SyncBN'),
    ('torch.nn', 'BatchNorm2d', 'MODELS', 'mmdet', 'BN'),
    ('mmcv.transforms', 'RandomFlip', 'TRANSFORMS', 'mmdet', 'mmcv.RandomFlip'),
    ('mmdet.datasets.transforms', 'RandomFlip', 'TRANSFORMS', 'mmdet', 'mmdet.RandomFlip'),
    ('mmengine.optim', 'AmpOptimWrapper', 'OPTIM_WRAPPERS', 'mmdet', 'AmpOptimWrapper'),
    ('mmengine.dataset', 'pseudo_collate', 'FUNCTIONS', 'mmdet', 'pseudo_collate'),
    ('mmengine.dataset', 'ConcatDataset', 'DATASETS', 'mmdet', 'mmengine.ConcatDataset'),
    ('mmdet.datasets', 'ConcatDataset', 'DATASETS', 'mmdet', 'mmdet.ConcatDataset'),
    ('torchvision.models', 'ResNet', 'MODELS', 'mmseg', 'torchvision.models.resnet.ResNet'),  # nobody registers it
]


@pytest.mark.parametrize(('module', 'name', 'root', 'scope', 'expected'), PARTS)
def test_a_name_builds_the_class_that_it_stands_for(module, name, root, scope, expected):
    for needed in ('detector', 'segmentor'):  # as their tasks import them
        importlib.import_module(f'convnext_dense.models.{needed}')
    part = getattr(importlib.import_module(module), name)
    assert name_of(part, scope) == expected
    whole = getattr(importlib.import_module('mmengine.registry'), root)
    with DefaultScope.overwrite_default_scope(scope), whole.switch_scope_and_registry(None) as current:
        assert current.get(expected) is part
    assert registry.SCOPE == 'convnext_dense'


def test_ops_are_named_as_mmdet_looks_them_up():
    import mmcv.ops

    assert name_of(mmcv.ops.RoIAlign, 'mmdet') == 'RoIAlign'
    assert name_of(mmcv.ops.nms, 'mmdet') == 'nms'


def test_values_that_are_no_classes_stay_as_they_are():
    import torch

    value = dict(a=1, b='x', c=(1, [None, 2.5]), d=dict(e=True))
    content, modules = with_names(Config(dict(value, f=torch.float16, default_scope='mmengine')))
    assert content == dict(value, f='float16', default_scope='mmengine')
    assert modules == []
