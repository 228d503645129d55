"""The feature maps of the old backbone, and the stages of a ConvNeXt that replace them."""

import pytest

import convnext_dense.models.detector
import convnext_dense.models.segmentor  # noqa: F401
from convnext_dense.adaptation.levels import Level, choose_stages, consumers, find_levels, places_of
from convnext_dense.adaptation.notes import NotAdaptable, Notes

RESNET = dict(type='mmdet.ResNet', depth=18, init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet18'))


def stages_of(strides, kind='mmseg.EncoderDecoder', **parts):
    notes = Notes()
    model = dict(type=kind, backbone=dict(type='mmseg.ResNet'), **parts)
    return choose_stages([Level(8, stride) for stride in strides], model, notes), notes.changed


@pytest.mark.parametrize(
    'backbone, expected',
    [
        (RESNET, [(64, 4), (128, 8), (256, 16), (512, 32)]),
        (dict(RESNET, out_indices=(3,), strides=(1, 2, 2, 1), dilations=(1, 1, 1, 2)), [(512, 16)]),
        (dict(RESNET, depth=50, stage_with_dcn=(False, True, True, True), dcn=dict(type='DCN')), None),
        (dict(type='mmdet.CSPDarknet', deepen_factor=0.33, widen_factor=0.5), [(128, 8), (256, 16), (512, 32)]),
        (
            dict(type='mmdet.HourglassNet', downsample_times=2, stage_channels=[8] * 3, stage_blocks=[1] * 3),
            [(256, 4)],
        ),
        (dict(type='mmseg.MixVisionTransformer', embed_dims=8), [(8, 4), (16, 8), (32, 16), (64, 32)]),
    ],
)
def test_levels_are_those_that_the_backbone_returns(backbone, expected):
    expected = expected or [(256, 4), (512, 8), (1024, 16), (2048, 32)]  # ResNet-50, with ops or without
    found = find_levels(dict(backbone=backbone))
    assert found[: len(expected)] == [Level(*one) for one in expected]


def test_levels_of_a_backbone_of_another_package_are_inferred_from_what_takes_them():
    other = dict(type='mmpretrain.ConvNeXt', arch='base')
    neck = dict(type='mmdet.FPN', in_channels=[256, 512, 1024])
    assert find_levels(dict(backbone=other, neck=[neck])) == [Level(256, 8), Level(512, 16), Level(1024, 32)]
    heads = dict(decode_head=dict(in_channels=1024, in_index=3), auxiliary_head=[dict(in_channels=512, in_index=2)])
    assert find_levels(dict(backbone=other, **heads))[2:] == [Level(512, 16), Level(1024, 32)]
    with pytest.raises(
        NotAdaptable, match=r'what its backbone mmpretrain\.ConvNeXt gives to neck and heads is not known'
    ):
        find_levels(dict(backbone=other, neck=dict(type='mmdet.Own')))


def test_stages_are_those_of_the_strides():
    assert stages_of([4, 8, 16, 32]) == ([0, 1, 2, 3], [])
    assert stages_of([8, 16, 32], 'mmdet.DINO') == ([1, 2, 3], [])
    assert stages_of([16], 'mmdet.FasterRCNN') == ([2], [])


def test_a_dilated_network_gets_the_last_stages_in_order_and_that_is_said():
    stages, said = stages_of([4, 8, 8, 8])
    assert stages == [0, 1, 2, 3]
    assert said == [
        'the features have strides 4, 8, 16 and 32, in the source 4, 8, 8 and 8, so that the predictions are coarser: '
        'no stage of a ConvNeXt is dilated'
    ]
    assert stages_of([2, 4, 16])[0] == [1, 2, 3]
    assert stages_of([16]) == (
        [3],
        [
            'the feature map has stride 32, in the source 16, so that the predictions are coarser: no stage of a '
            'ConvNeXt is dilated'
        ],
    )


def test_levels_beyond_the_last_stage_are_left_to_the_neck():
    neck = dict(type='mmdet.FPN', in_channels=[8] * 4, num_outs=6)
    stages, said = stages_of([8, 16, 32, 64], 'mmdet.RetinaNet', neck=neck)
    assert stages == [1, 2, 3]
    assert said == [
        'the neck takes 3 levels rather than 4: a ConvNeXt has none beyond stride 32, and the neck makes the coarser '
        'ones itself'
    ]
    with pytest.raises(
        NotAdaptable, match=r'gives features of strides \[8, 16, 32, 64\], and a ConvNeXt none beyond 32'
    ):
        stages_of([8, 16, 32, 64])


@pytest.mark.parametrize(
    'strides, kind, reason',
    [
        ([16, 16, 16, 16], 'mmseg.EncoderDecoder', 'all 4 outputs of ResNet have stride 16'),
        ([16, 8, 4], 'mmseg.EncoderDecoder', r'ResNet gives features of strides \[16, 8, 4\]'),
        ([4, 8, 8, 8], 'mmdet.FasterRCNN', r'its heads are made for features of strides \[4, 8, 8, 8\]'),
        ([2, 4, 8, 16, 32], 'mmseg.EncoderDecoder', r'strides \[2, 4, 8, 16, 32\], a ConvNeXt of 4, 8, 16 and 32'),
    ],
)
def test_other_strides_are_refused_with_the_reason(strides, kind, reason):
    with pytest.raises(NotAdaptable, match=reason):
        stages_of(strides, kind)


def test_heads_of_mmseg_are_found_where_they_take_features():
    generator = dict(type='FCNHead', in_channels=8, in_index=1)
    model = dict(
        decode_head=dict(type='Iterative', kernel_generate_head=generator, kernel_update_head=[dict(in_channels=4)]),
        auxiliary_head=[dict(in_channels=[4, 8], in_index=(0, -1))],
    )
    found = dict(consumers(model))
    assert found == {'decode_head.kernel_generate_head': generator, 'auxiliary_head[0]': model['auxiliary_head'][0]}
    assert places_of(found['auxiliary_head[0]'], 4) == [0, 3]
    assert places_of(dict(in_channels=8), 4) == [3]  # mmseg's default
    assert places_of(dict(in_channels=[8, 8, 8]), 4) == [0, 1, 2]
