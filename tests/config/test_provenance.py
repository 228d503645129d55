"""Every value of a resolved config comes with the place that set it, and is the value that a run has."""

import pytest

from convnext_dense.config.find import packaged_configs
from convnext_dense.config.provenance import explain
from convnext_dense.config.read import read_config
from tests.helpers import coco_files
from tests.helpers.run_tool import ROOT

ATTO, TINY = 'configs/classification/convnext_a.py', 'configs/classification/convnext_t.py'
SAMPLE = 'configs/_base_/sample'


@pytest.fixture(autouse=True)
def in_the_checkout(monkeypatch):
    monkeypatch.chdir(ROOT)


def line_of(file, text):
    lines = (ROOT / file).read_text().splitlines()
    (number,) = [i for i, line in enumerate(lines, 1) if text in line]
    return f'{file}:{number}'


def origins(*arguments, **keywords):
    return {one.key: (one.value, str(one.origin)) for one in explain(*arguments, **keywords)}


def test_a_value_comes_from_the_last_that_set_it():
    options = {'model.backbone.layer_scale_init_value': 0.5, 'param_scheduler.0.start_factor': 0.1}
    found = origins(ATTO, options, 'sample', needs_data=False)
    schedule = 'configs/_base_/schedules/imagenet_300_epochs.py'
    for key, value, origin in (
        ('model.backbone.arch', 'atto', line_of(ATTO, "arch='atto'")),
        (
            'model.backbone.type',
            'convnext_dense.ConvNeXt',
            line_of('configs/classification/convnext_t.py', "ConvNeXt'"),
        ),
        ('model.backbone.layer_scale_init_value', 0.5, '--cfg-options'),
        ('model.num_classes', 1000, line_of('configs/_base_/models/image_classifier.py', 'num_classes')),
        ('train_cfg.max_epochs', 3, line_of(f'{SAMPLE}/classification_atto.py', 'max_epochs')),
        ('train_cfg.total_batch_size', 32, line_of(f'{SAMPLE}/classification.py', 'total_batch_size')),
        ('train_cfg.type', 'convnext_dense.TrainLoop', line_of(schedule, 'TrainLoop')),
        ('param_scheduler.0.start_factor', 0.1, '--cfg-options'),
        ('param_scheduler.0.type', 'LinearLR', line_of(schedule, 'LinearLR')),
        ('param_scheduler.1.end', pytest.approx(3), 'the length of the run'),
        ('test_dataloader.dataset.split', 'val', line_of('configs/_base_/datasets/imagenet.py', "split='val'")),
        ('randomness.seed', 0, line_of('configs/_base_/runtime.py', 'seed=0')),
    ):
        assert found[key] == (value, origin), key


def test_a_setting_that_changes_nothing_is_still_the_last():
    found = origins(
        'configs/roadmap/r50_00_baseline.py', {'train_cfg.total_batch_size': 16}, 'sample', needs_data=False
    )
    key = 'train_dataloader.dataset.transform.re_prob'
    assert found[key] == (0.0, line_of(f'{SAMPLE}/roadmap_baseline.py', 're_prob=0.0'))
    assert found['train_cfg.total_batch_size'] == (16, '--cfg-options')


def test_what_stays_off_is_not_said_to_come_from_the_sample():
    found = origins('configs/roadmap/r50_00_baseline.py', data='sample', needs_data=False)
    assert found['model.mixup'] == (None, line_of('configs/roadmap/r50_00_baseline.py', 'mixup=None'))


def test_data_and_their_classes_are_said(image_folder):
    found = origins(ATTO, data=str(image_folder))
    assert found['train_dataloader.dataset.root'] == (str(image_folder), '--data')
    assert found['model.num_classes'] == (3, 'the classes of the data')


def test_what_is_left_out_for_boxes_is_said(tmp_path):
    content = coco_files.content()
    for annotation in content['annotations']:
        del annotation['segmentation']
    for split in ('train', 'val'):
        coco_files.write(tmp_path, content, split)
    found = origins('configs/det/cascade_convnext_a_coco.py', data=str(tmp_path))
    for key, value in (
        ('boxes_only', 'the training data have no masks'),
        ('model.roi_head.mask_head', None),
        ('model.roi_head.mask_roi_extractor', None),
        ('model.data_preprocessor.pad_mask', False),
        ('train_dataloader.dataset.pipeline.1.with_mask', False),
        ('val_evaluator.iou_types', ('bbox',)),
    ):
        assert found[key] == (value, 'a detector without masks'), key


def test_a_config_of_your_own_elsewhere_is_said_by_its_whole_path(tmp_path):
    own = tmp_path / 'own.py'
    own.write_text(f"_base_ = {str(ROOT / ATTO)!r}\n\nlog_level = 'DEBUG'\n")
    found = origins(str(own), needs_data=False)
    assert found['log_level'] == ('DEBUG', f'{own}:3')
    assert found['model.backbone.arch'][1] == line_of(ATTO, "arch='atto'")


@pytest.mark.parametrize('data', [None, 'sample'])
def test_the_values_are_those_of_the_config_and_each_has_a_line(data):
    for path in list(packaged_configs())[::7]:
        expected = read_config(path, data=data, needs_data=False)
        for keys, value, origin in explain(path, data=data, needs_data=False):
            part = expected
            for key in keys:
                part = part[key]
            assert part == value, (path, keys)
            learns_boxes = any(head in path for head in ('_rcnn_', 'dino_convnext', 'rtmdet', 'retinanet'))
            unplaced = ['the length of the run', *(['a detector without masks'] if learns_boxes else [])]
            if 'any_segmentor' in str(expected.sample_settings):
                unplaced.append('the size of the images in training')
            assert origin.line or origin.by in unplaced, (path, keys)
