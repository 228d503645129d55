"""The files that docs/extending.md shows, in a folder of their own outside the repository."""

import csv
import json
import runpy
import sys

import numpy as np
import pytest
import torch
from mmengine.registry import DATASETS, DefaultScope
from PIL import Image

from convnext_dense.cli import run_verb
from convnext_dense.config.read import read_config
from convnext_dense.engine.csv_log import read_scalars
from tests.helpers import coco_files
from tests.helpers.mask_folder import write_mask_folder
from tests.helpers.pages import ROOT, shown_files
from tests.helpers.run_tool import SMALL

FILES = shown_files(ROOT / 'docs' / 'extending.md')


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The shown files in a folder of their own, importable."""
    folder = tmp_path / 'my_project'
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_text(content)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    return folder


def test_a_config_of_your_own_inherits(project):
    cfg = read_config('my_config.py', needs_data=False)
    assert cfg.model.backbone.arch == 'tiny'
    assert cfg.optim_wrapper.optimizer.lr == 1e-3
    assert cfg.optim_wrapper.optimizer.weight_decay == 0.05
    assert cfg.train_cfg.max_epochs == cfg.param_scheduler[1].end == 50


def test_a_head_a_backbone_and_a_hook_of_your_own_train_a_segmentor(project):
    data = write_mask_folder(project / 'data')
    options = ['train_dataloader.batch_size=2', 'train_cfg.total_batch_size=2', 'default_hooks.logger.interval=1']
    options += ['train_dataloader.num_workers=0', 'val_dataloader.num_workers=0', 'custom_hooks.0.interval=1']
    argv = ['segment.py', '--data', str(data), '--iters', '2', '--work-dir', 'run', '--cfg-options', *options]
    assert run_verb('train', argv) == 0
    scalars = read_scalars(project / 'run')
    assert len(scalars['train/weight_norm']) == 2
    assert scalars['val/raw/mIoU']
    state = torch.load(project / 'run' / 'iter_2.pth', weights_only=True)['state_dict']
    assert state['decode_head.projections.3.weight'].shape == (64, 128, 1, 1)
    # layer-wise decay takes the backbone's own layer ids
    assert sum(name.startswith('train/lr/layer_') for name in scalars) > 4


@pytest.mark.parametrize('config', ['classify.py', 'gentle.py'])
def test_a_backbone_and_a_data_set_of_your_own_train_a_classifier(config, project, image_folder):
    argv = [config, '--data', str(image_folder), '--epochs', '1', '--work-dir', 'run']
    assert run_verb('train', [*argv, '--cfg-options', *SMALL]) == 0
    state = torch.load(project / 'run' / 'epoch_1.pth', weights_only=True)['state_dict']
    assert ('backbone.stages.3.0.weight' in state) == (config == 'classify.py')
    if config == 'gentle.py':
        from my_data import GentleFolder

        transform = GentleFolder(str(image_folder), 'train', {'input_size': 32}).transform
        assert 'RandomVerticalFlip' in repr(transform)


def test_albumentations_in_a_classifier(project, image_folder):
    argv = ['weather.py', '--data', str(image_folder), '--epochs', '1', '--work-dir', 'run']
    assert run_verb('train', [*argv, '--cfg-options', *SMALL]) == 0
    assert run_verb('test', ['run', '--data', str(image_folder)]) == 0  # the saved config is read as data


@pytest.mark.parametrize('config', ['turned.py', 'bent.py'])
def test_albumentations_in_pipelines(config, project, tmp_path):
    if config == 'turned.py':
        for split in ('train', 'val'):
            coco_files.write(tmp_path, coco_files.content(), split)
        data = tmp_path
    else:
        data = write_mask_folder(tmp_path / 'data')
    cfg = read_config(config, data=str(data))
    assert 'steps' not in cfg
    kinds = [step.type for step in cfg.train_dataloader.dataset.pipeline]
    assert kinds[-2] == 'convnext_dense.Albumentations' and kinds[-1].endswith('Inputs')
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
        again = DATASETS.build(cfg.train_dataloader.dataset)
    different = 0
    for seed in range(6):
        first, second, other = dataset[0, seed], again[0, seed], dataset[0, seed + 50]
        assert torch.equal(first['inputs'], second['inputs'])
        different += first['inputs'].shape != other['inputs'].shape or not torch.equal(
            first['inputs'], other['inputs']
        )
    assert different == 6


def test_boxes_in_a_csv_become_a_coco_file(project, monkeypatch):
    (project / 'images').mkdir()
    for name in ('a.png', 'b.png'):
        Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(project / 'images' / name)
    with open('boxes.csv', 'w', newline='') as file:
        table = csv.writer(file)
        table.writerow(['image', 'left', 'top', 'right', 'bottom', 'class'])
        table.writerows([['b.png', 1, 2, 11, 22, 'dog'], ['a.png', 5, 5, 25.5, 35, 'cat']])
    monkeypatch.setattr(sys, 'argv', ['csv_to_coco.py', 'boxes.csv', 'images', 'train.json'])
    runpy.run_path('csv_to_coco.py', run_name='__main__')
    content = json.loads((project / 'train.json').read_text())
    assert [(image['file_name'], image['width'], image['height']) for image in content['images']] == [
        ('a.png', 60, 40),
        ('b.png', 60, 40),
    ]
    assert sorted(annotation['bbox'] for annotation in content['annotations']) == [[1, 2, 10, 20], [5, 5, 20.5, 30]]
    argv = ['configs/det/cascade_convnext_a_coco.py', '--data', 'train.json:images,train.json:images']
    run_verb('check_data', [*argv, '--json', 'check.json', '--workers', '1'])
    checked = json.loads((project / 'check.json').read_text())
    counts = {entry['name']: entry['train'] for entry in checked['classes']}
    assert counts == {name: {'images': 1, 'annotations': 1} for name in ('cat', 'dog')}
    assert not [finding for finding in checked['findings'] if 'annotation' in finding['message']]


def test_a_stock_detector_trains_on_our_backbone(project):
    for split in ('train', 'val'):
        coco_files.write(project / 'coco', coco_files.content(), split)
    options = [
        *(f'{split}_dataloader.num_workers=0' for split in ('train', 'val', 'test')),
        'train_dataloader.dataset.pipeline.3.transforms=[[dict(type=mmdet.Resize,scale=(80,60))]]',
        'val_dataloader.dataset.pipeline.1.scale=(80,60)',
        'test_dataloader.dataset.pipeline.1.scale=(80,60)',
        'model.backbone.arch=atto',
        'model.neck.in_channels=[40,80,160,320]',
        'train_cfg.total_batch_size=2',
    ]
    argv = ['fcos.py', '--data', 'coco', '--epochs', '1', '--work-dir', 'run', '--pretrained', 'none']
    assert run_verb('train', [*argv, '--cfg-options', *options]) == 0
    state = torch.load(project / 'run' / 'epoch_1.pth', weights_only=True)['state_dict']
    assert state['bbox_head.conv_cls.weight'].shape == (3, 256, 3, 3)
    assert read_scalars(project / 'run')['train/loss_centerness']
