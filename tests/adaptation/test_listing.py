"""The list of what can be adapted, with what is published of it."""

import pytest
from mmengine.config import Config

from convnext_dense.adaptation import find_source, list_sources
from convnext_dense.adaptation.listing import listed_fits


@pytest.fixture(scope='module')
def listed():
    return {one.name: one for one in list_sources()}


@pytest.mark.parametrize(
    ('name', 'model', 'results', 'data'),
    [
        ('mmdet:dino/dino-4scale_r50_8xb2-12e_coco.py', 'DINO', {'box AP': 49.0}, 'COCO'),
        ('mmdet:rpn/rpn_r50_fpn_2x_coco.py', 'RPN', {'AR@1000': 58.6}, 'COCO'),
        ('mmdet:gn+ws/faster-rcnn_r50_fpn_gn-ws-all_1x_coco.py', 'Weight Standardization', {'box AP': 39.7}, 'COCO'),
        (
            'mmseg:deeplabv3plus/deeplabv3plus_r50-d8_4xb4-80k_ade20k-512x512.py',
            'DeepLabV3+',
            {'mIoU': 42.72, 'mIoU(ms+flip)': 43.75},
            'ADE20K',
        ),
        ('mmdet:dino/dino-4scale_r50_8xb2-24e_coco.py', 'DINO', {}, ''),
        ('mmseg:deeplabv3plus/deeplabv3plus_r50-d8_4xb4-40k_pascal-context-59-480x480.py', 'DeepLabV3+', {}, ''),
    ],
)  # fmt: skip
def test_a_config_has_its_method_and_what_is_published(listed, name, model, results, data):
    """Numbers are those in the metafiles beside the configs."""
    assert listed[name] == (name, model, results, data)


def test_all_that_have_a_model_are_listed_and_nothing_else(listed):
    assert len(listed) > 1400
    assert len({one.family for one in listed.values()}) > 160
    assert 'mmdet:retinanet/retinanet_tta.py' not in listed and 'mmdet:common/ms_3x_coco.py' not in listed
    for name in list(listed)[::150]:
        assert isinstance(find_source(name).cfg.model, Config | dict)


@pytest.mark.parametrize(
    ('pattern', 'fits'),
    [
        *(('DINO', True), ('mmdet:dino', True), ('dino/dino-4', True), ('*_8xb2-12e_coco', True), ('mmdet:*', True)),
        *(('mmseg', False), ('dino-?scale*', True), ('dino-??scale*', False), ('detr', False)),
    ],
)
def test_a_pattern_is_a_part_or_a_glob_of_name_family_or_model(listed, pattern, fits):
    assert listed_fits(listed['mmdet:dino/dino-4scale_r50_8xb2-12e_coco.py'], pattern) == fits


def test_a_pattern_chooses(listed):
    assert [one.name for one in list_sources('mmdet:dino')] == [
        name for name in listed if name.startswith('mmdet:dino/')
    ]
