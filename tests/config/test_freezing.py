"""``--freeze`` on the backbones of this package and of mmdet and mmseg."""

import pytest
from mmengine.config import Config

from convnext_dense.config.freezing import check_frozen, freeze, freezes_backbone
from convnext_dense.config.read import read_config
from convnext_dense.engine.building import build_model
from convnext_dense.errors import UserError
from convnext_dense.models.freezing import has_frozen_backbone

RESNET = dict(type='ResNet', depth=18, norm_cfg=dict(type='BN'))
SWIN = dict(type='SwinTransformer', embed_dims=8, depths=(1, 1), num_heads=(1, 1), strides=(4, 2), out_indices=(0, 1))


def config(name: str, **backbone: object) -> Config:
    cfg = read_config(f'configs/{name}.py', needs_data=False)
    if backbone:
        cfg.model.backbone = dict(backbone)
    return cfg


@pytest.mark.parametrize(
    ('name', 'backbone', 'stages'),
    [
        ('classification/convnext_a', {}, 4),
        ('classification/convnext_iso_s', {}, 1),
        ('roadmap/r50_00_baseline', {}, 4),
        ('det/cascade_convnext_a_coco', {}, 4),
        ('seg/upernet_convnext_a_ade20k', {}, 4),
        ('det/cascade_convnext_a_coco', RESNET, 4),
        (
            'seg/upernet_convnext_a_ade20k',
            {**RESNET, 'num_stages': 3, 'strides': (1, 2, 2), 'dilations': (1, 1, 1)},
            3,
        ),
        ('seg/upernet_convnext_a_ade20k', SWIN, 2),
    ],
)
def test_all_stages_are_frozen(name, backbone, stages):
    cfg = config(name, **backbone)
    if stages == 3:
        cfg.model.backbone.out_indices = (0, 1, 2)
    freeze(cfg, 'backbone')
    assert cfg.model.backbone.frozen_stages == stages
    model = build_model(cfg).train()
    check_frozen(model, cfg, 'backbone')
    assert has_frozen_backbone(model)
    assert any(p.requires_grad for name, p in model.named_parameters() if not name.startswith('backbone.'))


def test_a_backbone_that_counts_its_stages_otherwise_is_refused_not_half_frozen():
    cfg = config('seg/upernet_convnext_a_ade20k', type='mmseg.MobileNetV2', frozen_stages=-1)
    freeze(cfg, 'backbone')
    with pytest.raises(UserError) as error:
        check_frozen(build_model(cfg), cfg, 'backbone')
    assert str(error.value) == (
        '--freeze backbone: mmseg.MobileNetV2 with frozen_stages=4 still trains layer5.0.conv.0.conv.weight, '
        'layer5.0.conv.0.bn.weight, layer5.0.conv.0.bn.bias: set model.backbone.frozen_stages as its documentation '
        'says'
    )


@pytest.mark.parametrize(
    ('backbone', 'options', 'said'),
    [
        (
            dict(type='mmdet.HourglassNet'),
            (),
            'mmdet.HourglassNet has no frozen_stages, by which backbones are frozen',
        ),
        ({}, ('model.backbone.frozen_stages',), 'both say what is frozen: leave out one'),
    ],
)
def test_what_cannot_be_frozen_is_said_in_one_line(backbone, options, said):
    cfg = config('det/cascade_convnext_a_coco', **backbone)
    with pytest.raises(UserError, match=said):
        freeze(cfg, 'backbone', options)


@pytest.mark.parametrize(
    ('name', 'backbone', 'frozen'),
    [
        ('classification/convnext_a', {}, False),
        ('classification/convnext_a', dict(frozen_stages=3), False),
        ('classification/convnext_a', dict(frozen_stages=4), True),
        ('classification/convnext_iso_s', dict(frozen_stages=0), False),
        ('classification/convnext_iso_s', dict(frozen_stages=1), True),
        ('seg/upernet_convnext_a_ade20k', dict(type='mmseg.ResNet', num_stages=3, frozen_stages=3), True),
        ('seg/upernet_convnext_a_ade20k', dict(type='mmseg.ResNet', num_stages=4, frozen_stages=3), False),
    ],
)
def test_whether_all_stages_are_frozen(name, backbone, frozen):
    cfg = config(name)
    cfg.model.backbone.update(backbone)
    assert freezes_backbone(cfg) is frozen


def test_a_model_without_a_backbone_is_named():
    with pytest.raises(UserError, match=r'--freeze backbone: mmdet\.Something has no backbone'):
        freeze(Config(dict(model=dict(type='mmdet.Something'))), 'backbone')


def test_an_unknown_backbone_is_left_to_the_building_which_names_what_is_near():
    cfg = config('seg/upernet_convnext_a_ade20k', type='convnext_dense.ConvNext')
    freeze(cfg, 'backbone')
    with pytest.raises(UserError, match='ConvNext'):
        build_model(cfg)


OURS = {
    'stem': ('downsample_layers.0',),
    '1': ('downsample_layers.0', 'stages.0'),
    '2': ('downsample_layers.0', 'downsample_layers.1', 'stages.0', 'stages.1'),
    '3': (*(f'downsample_layers.{i}' for i in range(3)), *(f'stages.{i}' for i in range(3))),
    '4': ('downsample_layers', 'stages'),
}
RESNETS = {
    'stem': ('conv1', 'bn1'),
    '1': ('conv1', 'bn1', 'layer1'),
    '3': ('conv1', 'bn1', 'layer1', 'layer2', 'layer3'),
}
SWINS = {'stem': ('patch_embed',), '1': ('patch_embed', 'stages.0', 'norm0')}


@pytest.mark.parametrize(
    ('name', 'backbone', 'parts'),
    [
        *(('seg/upernet_convnext_a_ade20k', {}, pair) for pair in OURS.items()),
        *(('det/cascade_convnext_a_coco', RESNET, pair) for pair in RESNETS.items()),
        *(('seg/upernet_convnext_a_ade20k', SWIN, pair) for pair in SWINS.items()),
        ('classification/convnext_a', {}, ('4', ('downsample_layers', 'stages', 'norm'))),
        ('classification/convnext_iso_s', {}, ('stem', ('stem',))),
    ],
)
def test_the_parts_that_are_named_are_frozen_and_no_others(name, backbone, parts):
    part, frozen = parts
    cfg = config(name, **backbone)
    freeze(cfg, part)
    assert cfg.model.backbone.frozen_stages == (0 if part == 'stem' else int(part))
    model = build_model(cfg)
    check_frozen(model, cfg, part)
    for key, parameter in model.backbone.named_parameters():
        assert parameter.requires_grad != key.startswith(tuple(f'{one}.' for one in frozen)), key
    for key, module in model.backbone.named_modules():
        if key.startswith(tuple(f'{one}.' for one in frozen)):
            assert not module.training, key  # so without drop path, and with fixed statistics


def test_a_part_that_a_backbone_does_not_have_is_refused():
    cfg = config('classification/convnext_iso_s')
    with pytest.raises(UserError) as error:
        freeze(cfg, '2')
    assert str(error.value) == (
        '--freeze 2: convnext_dense.IsotropicConvNeXt has one stage, which is all of it: take --freeze stem or '
        '--freeze backbone'
    )
    with pytest.raises(UserError, match=r'--freeze 3: SwinTransformer has 2 stages: take --freeze stem or'):
        freeze(config('seg/upernet_convnext_a_ade20k', **SWIN), '3')
    cfg = config('det/cascade_convnext_a_coco', type='mmdet.EfficientNet')
    freeze(cfg, 'stem')
    with pytest.raises(UserError, match=r'mmdet\.EfficientNet with frozen_stages=0 freezes nothing: set model'):
        check_frozen(build_model(cfg), cfg, 'stem')
