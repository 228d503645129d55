"""Channels are changed where they are those of the backbone's features, and only there."""

import pytest
from mmengine.registry import MODELS
from torch import nn

import convnext_dense.models.detector
import convnext_dense.models.segmentor  # noqa: F401
from convnext_dense.adaptation.channels import connect, why_unused
from convnext_dense.adaptation.levels import STRIDES, Level
from convnext_dense.adaptation.notes import NotAdaptable, Notes

OLD, DIMS = (16, 32, 64, 128), (8, 24, 40, 56)


def connected(model, stages=(0, 1, 2, 3)):
    notes = Notes()
    levels = [Level(OLD[stage], STRIDES[stage]) for stage in stages]
    return connect(model, levels, list(stages), DIMS, notes), notes.changed


def test_a_neck_gets_the_channels_of_the_stages_and_its_own_stay():
    neck = dict(type='mmdet.FPN', in_channels=list(OLD), out_channels=64, num_outs=5)
    head = dict(in_channels=64, feat_channels=64)
    assert connected(dict(type='mmdet.X', neck=neck, bbox_head=head)) == (
        [0, 1, 2, 3],
        ['neck.in_channels: [8, 24, 40, 56], in the source [16, 32, 64, 128]'],
    )
    assert (neck['out_channels'], head) == (64, dict(in_channels=64, feat_channels=64))


def test_a_neck_gets_only_the_levels_from_which_it_starts():
    neck = dict(type='mmdet.FPN', in_channels=list(OLD), out_channels=64, start_level=1, end_level=3, num_outs=3)
    stages, said = connected(dict(type='mmdet.X', neck=neck))
    assert (stages, neck['in_channels'], neck['start_level'], neck['end_level']) == ([1, 2, 3], [24, 40, 56], 0, 2)
    assert said[0] == 'neck.start_level: 0, in the source 1: the backbone returns only what the neck uses'


@MODELS.register_module()
class NeckFromTheSecond(nn.Module):
    """A neck that counts its inputs itself, as NAS-FCOS's does."""

    def __init__(self, in_channels, start_level):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(one, 4, 1) for one in in_channels[start_level:])

    def forward(self, inputs):
        return [conv(inputs[place]) for place, conv in enumerate(self.convs, 1)]


def test_a_neck_that_counts_its_inputs_itself_gets_all_levels():
    neck = dict(type='mmengine.NeckFromTheSecond', in_channels=list(OLD), start_level=1)
    notes, levels = Notes(), [Level(*one) for one in zip(OLD, STRIDES, strict=True)]
    assert connect(dict(type='mmdet.X', neck=neck), levels, [0, 1, 2, 3], DIMS, notes) == [0, 1, 2, 3]
    assert neck == dict(type='mmengine.NeckFromTheSecond', in_channels=list(DIMS), start_level=1)
    assert notes.changed == ['neck.in_channels: [8, 24, 40, 56], in the source [16, 32, 64, 128]']
    assert notes.undecided == []


@pytest.mark.parametrize(
    ('stages', 'neck', 'reason'),
    [
        ((1, 2, 3), dict(start_level=0), None),
        ((3,), None, None),
        ((0, 1, 2, 3), [dict(start_level=1), {}], 'the neck leaves out the first 1 of the features that it is'),
        ((1, 2), {}, 'nothing takes the last stage of the backbone'),
    ],
)
def test_what_gets_no_gradient_is_known(stages, neck, reason):
    found = why_unused(dict(backbone=dict(out_indices=stages), neck=neck))
    assert found is None if reason is None else found.startswith(reason)


def test_a_neck_that_takes_the_last_level_gets_no_other():
    neck = dict(
        type='mmdet.CTResNetNeck', in_channels=128, num_deconv_filters=(8,), num_deconv_kernels=(4,), use_dcn=False
    )
    assert connected(dict(type='mmdet.X', neck=neck))[0] == [3]
    assert neck['in_channels'] == 56


def test_a_neck_from_the_last_level_to_the_first_keeps_its_order():
    neck = dict(type='mmdet.YOLOV3Neck', num_scales=3, in_channels=[128, 64, 32], out_channels=[64, 32, 16])
    assert connected(dict(type='mmdet.X', neck=neck), (1, 2, 3))[0] == [1, 2, 3]
    assert (neck['in_channels'], neck['out_channels']) == ([56, 40, 24], [64, 32, 16])


def test_channels_that_a_neck_hands_on_change_after_it_too():
    ssd = dict(type='mmdet.SSDNeck', in_channels=(64, 128), out_channels=(64, 128, 32), level_strides=(2,))
    ssd.update(level_paddings=(1,), l2_norm_scale=20)
    head = dict(in_channels=(64, 128, 32))
    connected(dict(type='mmdet.X', neck=ssd, bbox_head=head), (2, 3))
    assert (ssd['out_channels'], head['in_channels']) == ((40, 56, 32), (40, 56, 32))
    jpu = dict(type='mmseg.JPU', in_channels=OLD[1:], mid_channels=8, start_level=0, end_level=-1)
    heads = dict(decode_head=dict(in_channels=32, in_index=2), auxiliary_head=dict(in_channels=64, in_index=1))
    connected(dict(type='mmseg.X', neck=jpu, **heads), (1, 2, 3))
    assert (heads['decode_head']['in_channels'], heads['auxiliary_head']['in_channels']) == (32, 40)


def test_heads_of_mmseg_take_only_the_levels_that_they_name():
    head = dict(in_channels=128, in_index=3, channels=128, c1_in_channels=16, c1_channels=16)
    auxiliary = [dict(in_channels=64, in_index=2, channels=64), dict(in_channels=[16, 128], in_index=(0, -1))]
    stages, said = connected(dict(type='mmseg.X', decode_head=head, auxiliary_head=auxiliary))
    assert stages == [0, 2, 3]
    assert head == dict(in_channels=56, in_index=2, channels=128, c1_in_channels=8, c1_channels=16)
    assert auxiliary == [dict(in_channels=40, in_index=1, channels=64), dict(in_channels=[8, 56], in_index=(0, 2))]
    assert 'auxiliary_head[0].in_index: 1, in the source 2' in said


def test_a_single_level_goes_through_the_roi_head():
    roi_head = dict(
        bbox_roi_extractor=dict(out_channels=64, featmap_strides=[16]),
        bbox_head=[dict(in_channels=64, fc_out_channels=64)],
        mask_head=dict(in_channels=256, num_classes=64),
    )
    model = dict(type='mmdet.X', rpn_head=dict(in_channels=64, feat_channels=64), roi_head=roi_head)
    assert connected(model, (2,))[0] == [2]
    assert model['rpn_head'] == dict(in_channels=40, feat_channels=64)
    assert roi_head == dict(
        bbox_roi_extractor=dict(out_channels=40, featmap_strides=[16]),
        bbox_head=[dict(in_channels=40, fc_out_channels=64)],
        mask_head=dict(in_channels=256, num_classes=64),
    )


def test_a_head_for_all_levels_gets_all():
    model = dict(type='mmdet.X', panoptic_head=dict(in_channels=list(OLD), strides=[4, 8, 16, 32], feat_channels=64))
    assert connected(model)[0] == [0, 1, 2, 3]
    assert model['panoptic_head'] == dict(in_channels=list(DIMS), strides=[4, 8, 16, 32], feat_channels=64)


@pytest.mark.parametrize(
    'parts, said',
    [
        (
            dict(neck=dict(type='mmdet.FPN', in_channels=[16, 32, 64, 99], out_channels=8, num_outs=4)),
            r'its neck does not run',
        ),
        (
            dict(decode_head=dict(in_channels=99)),
            r'decode_head.in_channels is 99, and the feature maps \[3\] have \[128\]',
        ),
        (
            dict(bbox_head=dict(in_channels=99)),
            r'bbox_head.in_channels is 99, and the feature maps that it takes have',
        ),
    ],
)
def test_what_did_not_fit_before_is_named(parts, said):
    with pytest.raises(NotAdaptable, match=said):
        connected(dict(type='mmdet.X', **parts))
