"""Tests of the test-time augmentation of an adapted config."""

from convnext_dense.adaptation.notes import Notes
from convnext_dense.adaptation.packaged import base_config
from convnext_dense.adaptation.pipelines import Reader
from convnext_dense.adaptation.sources import find_source
from convnext_dense.adaptation.testing import adapt_views
from convnext_dense.models import detector, segmentor  # noqa: F401 - register the steps
from convnext_dense.tasks import TASKS

TESTED = base_config('datasets/coco.py').val_dataloader.to_dict()['dataset']['pipeline']


def views(model, cfg=None, tested=TESTED, library='mmdet', task='detection'):
    reader = Reader(library, TASKS[task].adaptation, True, Notes())
    return adapt_views(cfg or {}, reader, model, tested), reader.notes


def test_views_of_a_detector_with_nms_are_those_of_the_base_config():
    nms = {'type': 'nms', 'iou_threshold': 0.6}
    found, notes = views({'test_cfg': {'rpn': {'nms': {'type': 'nms'}}, 'rcnn': {'nms': nms, 'max_per_img': 30}}})
    assert found['tta_model'] == {'type': 'convnext_dense.DetectorTTA', 'nms': nms, 'max_per_img': 30}
    assert found['tta_pipeline'] == base_config('datasets/coco.py').to_dict()['tta_pipeline']
    assert notes == Notes()


def test_padded_images_have_one_size():
    steps = [TESTED[0], dict(TESTED[1], scale=(64, 64)), dict(type='mmdet.Pad', size=(64, 64)), TESTED[2]]
    found, _ = views({'test_cfg': {'nms': {'type': 'nms'}, 'max_per_img': 9}}, tested=steps)
    sizes, flips, pads, packing = found['tta_pipeline'][1]['transforms']
    assert (sizes, pads) == ([steps[1]], [steps[2]])
    assert len(flips) == 2
    assert packing[0]['meta_keys'][-3:] == ('flip', 'flip_direction', 'instances')
    assert TESTED[2]['meta_keys'][-2:] == ('scale_factor', 'instances')  # not changed


def test_views_of_the_source_are_kept():
    source = find_source('mmdet:rtmdet/rtmdet_s_8xb32-300e_coco.py')
    found, _ = views(source.cfg.model, source.cfg)
    assert found['tta_model']['nms'] == {'type': 'nms', 'iou_threshold': 0.6}
    assert found['tta_model']['max_per_img'] == 100
    sizes, _, pads, packing = found['tta_pipeline'][1]['transforms']
    assert [step['scale'] for step in sizes] == [(640, 640), (320, 320), (960, 960)]
    assert pads[0]['size'] == (960, 960)
    assert packing[0]['meta_keys'][-1] == 'instances'


def test_models_without_nms_have_no_views():
    for task, model in (('detection', {'test_cfg': {'max_per_img': 100}}), ('panoptic', {}), ('detection', {})):
        found, notes = views(model, task=task)
        assert found == {'tta_model': None, 'tta_pipeline': None}
        assert 'there is no test-time augmentation' in notes.changed[0]


def test_segmentors_average_views_in_their_own_mode():
    source = find_source('mmseg:fcn/fcn_r50-d8_4xb4-80k_ade20k-512x512.py')
    found, _ = views({'test_cfg': {'mode': 'slide'}}, source.cfg, library='mmseg', task='segmentation')
    assert found['tta_model'] == {'type': 'convnext_dense.SegmentorTTA', 'mode': 'slide'}
    sizes, _, masks, _ = found['tta_pipeline'][1]['transforms']
    assert [step['scale_factor'] for step in sizes] == [0.5, 0.75, 1.0, 1.25, 1.5, 1.75]
    assert masks == [{'type': 'convnext_dense.LoadMask'}]
