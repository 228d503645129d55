"""Models of shipped configs on a ConvNeXt."""

import re

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import MODELS

from convnext_dense.adaptation.notes import NotAdaptable
from convnext_dense.adaptation.scopes import COMPARED_BY_NAME, own_names
from tests.helpers.stock_configs import adapted_model

STAGES = {
    'mmdet:retinanet/retinanet_r50-caffe_fpn_1x_coco.py': (1, 2, 3),
    'mmdet:dino/dino-4scale_r50_8xb2-12e_coco.py': (1, 2, 3),
    'mmdet:detr/detr_r50_8xb2-150e_coco.py': (3,),
    'mmdet:yolof/yolof_r50-c5_8xb8-1x_coco.py': (3,),
    'mmdet:yolo/yolov3_d53_8xb8-320-273e_coco.py': (1, 2, 3),
    'mmdet:ssd/ssd300_coco.py': (1, 2),
    'mmdet:centernet/centernet_r18_8xb16-crop512-140e_coco.py': (3,),
    'mmdet:faster_rcnn/faster-rcnn_r50-caffe-dc5_1x_coco.py': (2,),
    'mmdet:rtmdet/rtmdet-ins_tiny_8xb32-300e_coco.py': (1, 2, 3),
    'mmdet:convnext/mask-rcnn_convnext-t-p4-w7_fpn_amp-ms-crop-3x_coco.py': (0, 1, 2, 3),
    'mmseg:pspnet/pspnet_r50-d8_4xb2-40k_cityscapes-512x1024.py': (2, 3),
    'mmseg:deeplabv3plus/deeplabv3plus_r50-d8_4xb4-80k_ade20k-512x512.py': (0, 2, 3),
    'mmseg:segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py': (0, 1, 2, 3),
    'mmseg:mask2former/mask2former_r50_8xb2-160k_ade20k-512x512.py': (0, 1, 2, 3),
    'mmseg:ocrnet/ocrnet_hr18_4xb4-80k_ade20k-512x512.py': (0, 1, 2, 3),
    'mmseg:encnet/encnet_r50-d8_4xb4-80k_ade20k-512x512.py': (2, 3),
    'mmseg:segmenter/segmenter_vit-s_fcn_8xb1-160k_ade20k-512x512.py': (3,),
    'mmseg:convnext/convnext-tiny_upernet_8xb2-amp-160k_ade20k-512x512.py': (0, 1, 2, 3),
}

DIMS = (40, 80, 160, 320)  # of atto


def types_in(value, key=''):
    if isinstance(value, dict):
        if isinstance(value.get('type'), str):
            yield key, value['type']
        for name, part in value.items():
            yield from types_in(part, name)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from types_in(part, key)


def test_a_head_for_objects_of_one_class_is_named():
    _, notes = adapted_model('mmdet:crowddet/crowddet-rcnn_r50_fpn_8xb2-30e_crowdhuman.py')
    assert 'a MultiInstanceBBoxHead finds objects of one class: data of several are refused' in notes.undecided


@pytest.mark.parametrize('name', STAGES)
def test_neck_and_heads_take_the_features_of_their_stages(name):
    """Each output of the backbone is used: its norm would never be trained otherwise."""
    model, _ = adapted_model(name)
    stages = model['backbone']['out_indices']
    assert stages == STAGES[name]
    library = name.partition(':')[0]
    assert {one for one in types_in(model) if one[1] in own_names(library)} <= COMPARED_BY_NAME
    side = 80 if 'ssd' in name else 32
    features = [torch.rand(2, DIMS[i], side >> i, side >> i, requires_grad=True) for i in stages]
    outputs = run(model, features)
    if outputs is None:  # queries, which take samples, or RoIs
        takes = model.get('panoptic_head') or model.get('rpn_head') or model['decode_head']
        expected = [DIMS[i] for i in stages]
        assert takes['in_channels'] == (expected if len(expected) > 1 else expected[0])
        return
    sum(one.sum() for one in outputs).backward()
    assert all(one.grad is not None for one in features)


def run(model, features):
    """Return what the neck returns, or else mmseg's heads, if they take nothing but features."""
    necks = model.get('neck')
    if necks is not None:
        neck = MODELS.build(ConfigDict(necks))
        return neck(features)
    heads = [model[key] for key in ('decode_head', 'auxiliary_head') if model.get(key)]
    if not heads or 'pixel_decoder' in heads[0]:
        return None
    outputs, before = [], ()
    for head in [one for part in heads for one in (part if isinstance(part, list) else [part])]:
        built = MODELS.build(ConfigDict(head))
        built.eval()  # SyncBN trains on GPUs alone
        out = built(features, *before)
        outputs.append(out)
        before = (out,) if isinstance(heads[0], list) else ()  # a cascade
    return [one for out in outputs for one in (out if isinstance(out, list | tuple) else [out])]


def test_the_backbone_is_ours_with_the_official_settings():
    model, notes = adapted_model('mmdet:retinanet/retinanet_r50-caffe_fpn_1x_coco.py', 'tiny')
    assert list(model)[:4] == ['type', 'data_preprocessor', 'backbone', 'neck']
    assert model['backbone'] == dict(
        type='convnext_dense.ConvNeXt',
        arch='tiny',
        out_indices=(1, 2, 3),
        drop_path_rate=0.4,
        layer_scale_init_value=1.0,
    )
    assert notes.changed == [
        'backbone: ConvNeXt tiny in place of ResNet-50; gone with that: frozen stages, frozen batch normalization, '
        'pre-training',
        'neck.start_level: 0, in the source 1: the backbone returns only what the neck uses',
        'neck.in_channels: [192, 384, 768], in the source [256, 512, 1024, 2048]',
        'data_preprocessor: RGB with mean and std of ImageNet, in the source mean [103.53, 116.28, 123.675] and std '
        '[1.0, 1.0, 1.0] of BGR',
        'classes of this package for those that they extend, with the same results: MaxIoUAssigner (knows ignore '
        'regions)',
    ]
    second, _ = adapted_model('mmdet:retinanet/retinanet_r50-caffe_fpn_1x_coco.py', 'v2_tiny')
    assert second['backbone'] == dict(
        type='convnext_dense.ConvNeXt', arch='tiny', version=2, out_indices=(1, 2, 3), drop_path_rate=0.4
    )


def test_an_hourglass_head_gets_centernets_neck():
    model, notes = adapted_model('mmdet:cornernet/cornernet_hourglass104_8xb6-210e-mstest_coco.py')
    assert (model['bbox_head']['num_feat_levels'], model['neck']['type']) == (1, 'mmdet.CTResNetNeck')
    assert 'of which the head took 2 outputs, and now takes one' in notes.changed[1]
    assert notes.undecided == ['the new neck is a choice: nobody published this head on a ConvNeXt']


def test_weights_of_the_whole_model_and_norms_that_need_compiled_ops_are_gone():
    pretrained = dict(type='Pretrained', checkpoint='https://example.com/model.pth')
    name = 'mmdet:simple_copy_paste/mask-rcnn_r50_fpn_rpn-2conv_4conv1fc_syncbn-all_32xb2-ssj-90k_coco.py'
    model, notes = adapted_model(name, init_cfg=pretrained, rpn_head=dict(init_cfg=pretrained))
    assert 'init_cfg' not in model
    assert 'init_cfg' not in model['rpn_head']
    assert model['roi_head']['bbox_head']['norm_cfg']['type'] == 'SyncBN'
    assert 'model.rpn_head.init_cfg: gone, with the weights https://example.com/model.pth' in notes.changed
    assert "norm_cfg: SyncBN of PyTorch for MMSyncBN of mmcv, which a single process can't build" in notes.changed


def test_what_does_not_build_is_named():
    with pytest.raises(NotAdaptable, match=re.escape("the new model can't be built: ") + '.*unknown_argument'):
        adapted_model('mmdet:fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py', bbox_head=dict(unknown_argument=1))
