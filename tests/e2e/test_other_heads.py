"""Heads that no recipe here has, from training to the last command, and from one data set to the next."""

import json
from pathlib import Path

import onnx
import pytest
import torch

from convnext_dense.cli import run_verb
from convnext_dense.inference.files import RESULTS
from tests.helpers import coco_files
from tests.helpers.mask_folder import write_mask_folder
from tests.helpers.other_heads import DETECTION, DETECTORS, write_head


@pytest.fixture(scope='module')
def masks(tmp_path_factory) -> Path:
    root = write_mask_folder(tmp_path_factory.mktemp('masks'))
    (root / 'classes.txt').write_text('\n'.join('abcde'))
    return root


@pytest.mark.parametrize(
    ('name', 'obstacle', 'head'),
    [
        ('dino', 'DINO cannot be exported as instances', 'bbox_head.cls_branches.0.weight'),
        ('mask2former', 'Mask2Former cannot be exported as instances', 'panoptic_head.cls_embed.weight'),
        ('mask2former_seg', 'Segmentor cannot be exported as logits', 'decode_head.cls_embed.weight'),
    ],
)
def test_whatever_trains_is_tested_drawn_exported_counted_and_reported(
    name, obstacle, head, coco, masks, tmp_path, capsys
):
    config, run = str(write_head(name, tmp_path)), tmp_path / 'run'
    data = coco if name in DETECTORS else masks
    image = sorted(data.glob('**/val*/*.png'))[0]
    assert run_verb('train', [config, '--data', str(data), '--work-dir', str(run)]) == 0
    state = torch.load(next(run.glob('*_[0-9].pth')), weights_only=True)['state_dict']
    assert len(state[head]) == {'dino': 3, 'mask2former': 4, 'mask2former_seg': 6}[name]  # with one for no object
    assert run_verb('test', [str(run)]) == 0
    score = ['--score', '0'] if name in DETECTORS else []
    assert run_verb('demo', [str(run), str(image), '--out-dir', str(tmp_path / 'out'), *score]) == 0
    found = json.loads((tmp_path / 'out' / RESULTS).read_text())
    names = {'red', 'green', 'blue'} if name in DETECTORS else set('abcde')
    entries = found if name in DETECTORS else found[0]['classes']
    assert entries and {entry.get('category', entry.get('name')) for entry in entries} <= names
    capsys.readouterr()
    export = [str(run), str(tmp_path / 'm.onnx'), '--shape', '64', '64']
    assert run_verb('export_onnx', export) == 2
    assert f'error: {obstacle}' in capsys.readouterr().err
    assert run_verb('export_onnx', [*export, '--task-output', 'features']) == 0
    outputs = onnx.load(tmp_path / 'm.onnx').graph.output
    assert [[d.dim_value for d in o.type.tensor_type.shape.dim] for o in outputs] == [
        [1, 8, 16, 16],
        [1, 16, 8, 8],
        [1, 24, 4, 4],
        [1, 32, 2, 2],
    ]
    for verb, argument in (('flops', config), ('param_groups', config), ('report', str(run))):
        assert run_verb(verb, [argument]) == 0
    assert 'error' not in capsys.readouterr().err


def test_a_run_on_other_classes_starts_from_all_layers_that_do_not_depend_on_them(coco, tmp_path, capsys):
    content = coco_files.content()
    content['categories'][0]['name'] = 'cyan'
    for split in ('train', 'val'):
        coco_files.write(tmp_path / 'other', content, split, coco_files.content())
    config = str(write_head('fcos', tmp_path))
    first, second = tmp_path / 'first', tmp_path / 'second'
    assert run_verb('train', [config, '--data', str(coco), '--work-dir', str(first)]) == 0
    capsys.readouterr()
    argv = [config, '--data', str(tmp_path / 'other'), '--work-dir', str(second), '--pretrained', str(first)]
    assert run_verb('train', argv) == 0
    total = len(torch.load(first / 'epoch_1.pth', weights_only=True)['state_dict'])
    (log,) = second.glob('*/*.log')
    line = next(line for line in log.read_text().splitlines() if 'pretrained: ' in line)
    assert f'pretrained: {total - 2} tensors from {first / "epoch_1.pth"} (ours); fresh: bbox_head.conv_cls;' in line
    assert line.endswith('(it is for 3 classes, 2 of them named as in the data and learned anew: green, blue)')


@pytest.mark.parametrize(
    ('name', 'changes', 'said'),
    [
        (
            'mask2former',
            "train_dataloader['dataset']['pipeline'][1]['with_mask'] = False",
            'the head learns masks, and the training pipeline loads none: set with_mask=True in mmdet.LoadAnnotations',
        ),
        (
            'mask2former',
            "model['test_cfg']['instance_on'] = False",
            'the model predicts no instances: set model.test_cfg.instance_on=True',
        ),
    ],
)
def test_what_a_head_lacks_is_one_line(name, changes, said, coco, tmp_path, error):
    config = tmp_path / 'c.py'
    config.write_text(f'{DETECTION}{DETECTORS[name]}\n{changes}\n')
    assert run_verb('train', [str(config), '--data', str(coco), '--work-dir', str(tmp_path / 'run')]) == 2
    assert said in error()


def test_a_head_for_boxes_trains_on_boxes_alone(tmp_path):
    content = coco_files.content()
    for annotation in content['annotations']:
        del annotation['segmentation']
    for split in ('train', 'val'):
        coco_files.write(tmp_path / 'boxes', content, split)
    config = write_head('fcos', tmp_path)
    argv = ['--data', str(tmp_path / 'boxes'), '--work-dir', str(tmp_path / 'run')]
    assert run_verb('train', [str(config), *argv]) == 0
