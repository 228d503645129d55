"""Data sets, wrappers and metrics of mmengine, mmdet and mmseg, from training to a test."""

import json
from ast import literal_eval
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from convnext_dense.cli import run_verb
from convnext_dense.engine.csv_log import read_scalars
from tests.e2e.test_dense import DET, SEG, SMALL, masks  # noqa: F401 - a fixture
from tests.helpers import run_tool
from tests.helpers.run_tool import ATTO, ROOT

DIMS = [4, 8, 12, 16]


def small_config(config: str, options: list[str]) -> Config:
    cfg = Config.fromfile(ROOT / config)
    cfg.merge_from_dict(dict(_parsed(option) for option in options))
    cfg.model.backbone.arch = dict(depths=[1, 1, 1, 1], dims=DIMS)
    for part, channels in (('neck', DIMS), ('decode_head', DIMS), ('auxiliary_head', DIMS[2])):
        if part in cfg.model:
            cfg.model[part].in_channels = channels
    cfg.pretrained = cfg.sample_settings = None
    return cfg


def _parsed(option: str) -> tuple[str, object]:
    key, value = option.split('=', 1)
    try:
        return key, literal_eval(value)
    except ValueError:
        return key, value


def run(verb: str, cfg: Config | None, work_dir: Path, *arguments: str) -> int:
    if cfg is None:
        return run_verb(verb, [str(work_dir), *arguments])
    cfg.dump(work_dir.parent / f'{work_dir.name}.py')
    return run_verb(verb, [str(work_dir.parent / f'{work_dir.name}.py'), '--work-dir', str(work_dir), *arguments])


def log_of(work_dir: Path) -> str:
    return ''.join(path.read_text() for path in sorted(work_dir.glob('*/*.log')))


def losses(work_dir: Path) -> list[float]:
    return [value for _, value in read_scalars(work_dir)['train/loss']]


@pytest.mark.faults
def test_wrappers_of_our_image_folder_skip_bad_images_and_do_not_depend_on_workers(own_image_folder, tmp_path):
    (own_image_folder / 'train' / 'blue' / '00.jpg').write_bytes(b'no image')
    own = dict(
        type='convnext_dense.ImageFolder', split='train', transform=dict(input_size=32), root=str(own_image_folder)
    )
    cfg = small_config(ATTO, run_tool.SMALL)
    cfg.train_dataloader.dataset = dict(
        type='ConcatDataset',
        datasets=[
            dict(type='RepeatDataset', times=2, dataset=dict(own)),
            dict(type='ClassBalancedDataset', oversample_thr=0.5, dataset=dict(own)),
        ],
    )
    for loader in (cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset = dict(type='RepeatDataset', times=1, dataset=dict(loader.dataset, root=str(own_image_folder)))
    cfg.train_cfg.max_epochs = 1
    skip = ('--on-bad-image', 'skip')
    assert run('train', cfg, tmp_path / 'a', *skip) == 0
    cfg.train_dataloader.num_workers = 2
    assert run('train', cfg, tmp_path / 'b', *skip) == 0
    assert losses(tmp_path / 'a') == losses(tmp_path / 'b')
    assert len(losses(tmp_path / 'a')) == (2 * 24 + 2 * 24) // 8  # in both each image comes twice
    log = log_of(tmp_path / 'a')
    assert 'train: 96 images, 3 classes' in log
    assert 'blue/00.jpg' in log
    assert run('test', None, tmp_path / 'a') == 0
    assert set(json.loads((tmp_path / 'a' / 'metrics.json').read_text())['metrics']) >= {'raw/top1', 'raw/images'}
    assert run('train', cfg, tmp_path / 'c') == 2


@pytest.fixture
def segmentation(masks) -> Config:  # noqa: F811
    cfg = small_config(SEG, SMALL[SEG])

    def dataset(split: str, *steps: dict) -> dict:
        return dict(
            type='mmseg.BaseSegDataset',
            data_root=str(masks),
            data_prefix=dict(img_path=f'images/{split}', seg_map_path=f'annotations/{split}'),
            metainfo=dict(classes=('red', 'green', 'blue', 'yellow', 'pink'), palette=[[i, i, i] for i in range(5)]),
            img_suffix='.png',
            reduce_zero_label=True,
            pipeline=[
                dict(type='mmcv.LoadImageFromFile'),
                dict(type='mmseg.LoadAnnotations', reduce_zero_label=True),
                *steps,
                dict(type='mmseg.PackSegInputs'),
            ],
        )

    cfg.train_dataloader.dataset = dataset('training', dict(type='mmseg.RandomCrop', crop_size=(32, 32)))
    cfg.val_dataloader.dataset = cfg.test_dataloader.dataset = dataset('validation')
    cfg.val_evaluator = cfg.test_evaluator = dict(type='mmseg.IoUMetric', iou_metrics=['mDice', 'mFscore'])
    cfg.default_hooks.checkpoint = dict(type='CheckpointHook', by_epoch=False, interval=2, save_best='mDice')
    cfg.train_cfg.update(max_iters=4, val_interval=2)
    cfg.param_scheduler = [dict(type='ConstantLR', factor=1.0, by_epoch=False, begin=0, end=4)]
    return cfg


def test_a_data_set_and_a_metric_of_mmseg(segmentation, tmp_path):
    work_dir = tmp_path / 'w'
    assert run('train', segmentation, work_dir) == 0
    series = read_scalars(work_dir)
    assert {'val/raw/mDice', 'val/raw/mFscore', 'val/raw/aAcc'} <= series.keys()
    best = torch.load(work_dir / 'best.pth', weights_only=True)['runtime_info']
    assert best['best_metric'] == 'raw/mDice'
    assert best['best_score'] == pytest.approx(max(value for _, value in series['val/raw/mDice']))
    assert 'train: BaseSegDataset can not skip bad images or count classes' in log_of(work_dir)
    (work_dir / 'iter_4.pth').unlink()
    before = losses(work_dir)
    assert run('train', segmentation, work_dir, '--resume') == 0
    assert losses(work_dir) == before
    assert run('test', None, work_dir) == 0
    tested = json.loads((work_dir / 'metrics.json').read_text())
    assert tested['metrics']['raw/mDice'] == pytest.approx(dict(read_scalars(work_dir)['val/raw/mDice'])[4])
    assert tested['data'].endswith(segmentation.test_dataloader.dataset.data_root)


def test_another_order_of_the_classes_is_refused(segmentation, tmp_path, error):
    segmentation.val_dataloader.dataset = dict(segmentation.val_dataloader.dataset)
    segmentation.val_dataloader.dataset['metainfo'] = dict(classes=('green', 'red', 'blue', 'yellow', 'pink'))
    assert run('train', segmentation, tmp_path / 'w') == 2
    assert 'class 0 is red in the training data and green in the validation data' in error()


def of_mmdet(root: Path, split: str, pipeline: list, **options: object) -> dict:
    return dict(
        type='mmdet.CocoDataset',
        data_root=str(root),
        ann_file=f'annotations/instances_{split}2017.json',
        data_prefix=dict(img=f'{split}2017'),
        metainfo=dict(classes=('red', 'green', 'blue')),
        pipeline=pipeline,
        **options,
    )


LOAD = [dict(type='mmcv.LoadImageFromFile'), dict(type='mmdet.LoadAnnotations', with_bbox=True, with_mask=True)]


@pytest.fixture
def detection(coco) -> Config:
    cfg = small_config(DET, SMALL[DET])
    own = cfg.train_dataloader.dataset
    own.update(annotations=str(coco / 'annotations/instances_train2017.json'), images=str(coco / 'train2017'))
    own.filter_cfg = dict(filter_empty_gt=True)
    meta_keys = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')
    steps = [dict(type='mmdet.Resize', scale=(80, 60), keep_ratio=True)]
    tested = of_mmdet(
        coco, 'val', [LOAD[0], *steps, dict(type='mmdet.PackDetInputs', meta_keys=meta_keys)], test_mode=True
    )
    cfg.val_dataloader.dataset = cfg.test_dataloader.dataset = tested
    file = str(coco / 'annotations/instances_val2017.json')
    cfg.val_evaluator = cfg.test_evaluator = dict(type='mmdet.CocoMetric', ann_file=file, metric=['bbox', 'segm'])
    cfg.default_hooks.checkpoint.best = 'coco/bbox_mAP'
    cfg.train_cfg.max_epochs = 1
    return cfg


def test_our_coco_files_concatenated_and_tested_by_mmdet(detection, tmp_path):
    own = detection.train_dataloader.dataset
    detection.train_dataloader.dataset = dict(
        type='ConcatDataset', datasets=[dict(type='RepeatDataset', times=2, dataset=dict(own)), dict(own)]
    )
    work_dir = tmp_path / 'w'
    assert run('train', detection, work_dir) == 0
    assert {'val/raw/coco/bbox_mAP', 'val/raw/coco/segm_mAP_50'} <= read_scalars(work_dir).keys()
    assert 'train: 9 images, 3 classes' in log_of(work_dir)
    assert 'val: CocoDataset can not skip bad images' in log_of(work_dir)
    assert len(losses(work_dir)) == 4
    assert torch.load(work_dir / 'best.pth', weights_only=True)['runtime_info']['best_metric'] == 'raw/coco/bbox_mAP'
    assert run('test', None, work_dir) == 0
    assert 'raw/coco/bbox_mAP' in json.loads((work_dir / 'metrics.json').read_text())['metrics']


def test_mmdets_data_set_in_mmdets_mixing_wrapper(detection, coco, tmp_path):
    detection.train_dataloader.dataset = dict(
        type='mmdet.MultiImageMixDataset',
        dataset=of_mmdet(coco, 'train', LOAD, filter_cfg=dict(filter_empty_gt=True)),
        pipeline=[
            dict(type='mmdet.RandomFlip', prob=0.5),
            dict(type='mmdet.CopyPaste', max_num_pasted=2),
            dict(type='mmdet.PackDetInputs'),
        ],
    )
    detection.val_dataloader = detection.val_cfg = detection.val_evaluator = None
    for name, workers in (('a', 0), ('b', 2)):
        detection.train_dataloader.num_workers = workers
        assert run('train', detection, tmp_path / name) == 0
    assert len(losses(tmp_path / 'a')) == 1
    assert losses(tmp_path / 'a') == losses(tmp_path / 'b')


def test_our_metric_says_which_ground_truth_it_takes(detection, tmp_path, error):
    detection.val_evaluator = dict(type='convnext_dense.CocoAP')
    assert run('train', detection, tmp_path / 'w') == 2
    assert 'CocoAP takes the ground truth of convnext_dense.CocoDataset' in error()
