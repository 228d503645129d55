"""Configs without a place for a ConvNeXt are refused in one line with the reason."""

import pytest

from convnext_dense.adaptation.arch import find_arch
from convnext_dense.adaptation.model import adapt_model
from convnext_dense.adaptation.notes import NotAdaptable, Notes
from tests.helpers.stock_configs import adapted_model, stock_config

REFUSED = {
    'mmdet:qdtrack/qdtrack_faster-rcnn_r50_fpn_4e_base.py': 'it follows objects through videos',
    'mmdet:mask2former_vis/mask2former_r50_8xb2-8e_youtubevis2019.py': 'it follows objects through videos',
    'mmdet:reid/reid_r50_8xb32-6e_mot16train80_test-mot16val20.py': 'it tells objects of videos apart',
    'mmdet:grounding_dino/grounding_dino_r50_scratch_8xb2_1x_coco.py': 'it finds what a text says',
    'mmdet:soft_teacher/soft-teacher_faster-rcnn_r50-caffe_fpn_180k_semi-0.01-coco.py': 'it learns from images',
    'mmdet:ld/ld_r18-gflv1-r101_fpn_1x_coco.py': 'from a trained teacher .* such as mmdet:gfl/',
    'mmdet:lad/lad_r50-paa-r101_fpn_2xb8_coco_1x.py': 'from a trained teacher .* such as mmdet:paa/',
    'mmdet:fast_rcnn/fast-rcnn_r50_fpn_1x_coco.py': 'it takes boxes that another model proposed',
    'mmdet:clrnet/clrnet.py': 'it finds the lanes of roads',
    'mmdet:common/lsj-100e_coco-detection.py': 'it has no model',
    'mmdet:dsdl/coco.py': 'it shows how to read data in DSDL',
    'mmdet:misc/d2_retinanet_r50-caffe_fpn_ms-90k_coco.py': 'its model is one of detectron2',
    'mmdet:pascal_voc/faster-rcnn_r50-caffe-c4_ms-18k_voc0712.py': 'its RoI head is the last stage of a ResNet',
    'mmdet:swin/mask-rcnn_swin-t-p4-w7_fpn_1x_coco.py': 'its method is its backbone, Swin Transformer',
    'mmdet:dcn/faster-rcnn_r50-dconv-c3-c5_fpn_1x_coco.py': 'its method is its backbone, deformable convolutions in',
    'mmdet:tridentnet/tridentnet_r50-caffe_1x_coco.py': 'its method is its backbone: the three branches of TridentNet',
    'mmdet:detectors/detectors_cascade-rcnn_r50_1x_coco.py': 'its method is its backbone, DetectoRS_ResNet',
    'mmseg:bisenetv2/bisenetv2_fcn_4xb4-160k_cityscapes-1024x1024.py': 'its method is its backbone, BiSeNetV2',
    'mmseg:unet/unet-s5-d16_fcn_4xb4-40k_drive-64x64.py': 'its method is its backbone, UNet',
    'mmseg:setr/setr_vit-l_naive_8xb2-160k_ade20k-512x512.py': 'all 4 outputs of VisionTransformer have stride 16',
    'mmseg:san/san-vit-b16_coco-stuff164k-640x640.py': 'it matches the image and text encoders of CLIP',
    'mmseg:vpd/vpd_sd_4xb8-25k_nyu-480x480.py': 'it estimates depth with a diffusion model',
}


@pytest.mark.parametrize('name', REFUSED)
def test_a_config_without_a_place_for_a_convnext_says_why(name):
    with pytest.raises(NotAdaptable, match=REFUSED[name]) as error:
        adapted_model(name)
    assert str(error.value).startswith(f"{name} can't be adapted: ")
    assert '\n' not in str(error.value)


def test_the_same_backbone_in_a_family_of_another_method_is_replaced():
    model, _ = adapted_model('mmdet:mask2former/mask2former_swin-t-p4-w7-224_8xb2-lsj-50e_coco.py')
    assert model['panoptic_head']['in_channels'] == [40, 80, 160, 320]


def test_the_family_counts_for_shipped_configs_alone(tmp_path):
    source = stock_config('mmdet:swin/mask-rcnn_swin-t-p4-w7_fpn_1x_coco.py')
    own = source._replace(name='swin/own.py', file=tmp_path / 'swin/own.py')
    assert adapt_model(own, find_arch('atto'), Notes())['neck']['in_channels'] == [40, 80, 160, 320]
