"""Detection and segmentation from the first command to the last, on data that take seconds."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmseg.models.segmentors import EncoderDecoder
from PIL import Image

from convnext_dense.cli import run_verb
from convnext_dense.config.find import find_run_config
from convnext_dense.config.read import read_config
from convnext_dense.engine.building import build_model
from convnext_dense.engine.csv_log import read_scalars
from tests.helpers import coco_files
from tests.helpers.mask_folder import COLORS, draw_labels
from tests.helpers.run_tool import ATTO, ROOT, train

EMPTY = {'bbox': [50, 30, 0, 24], 'segmentation': []}
"""What makes an annotation unusable."""
DET, SEG = 'configs/det/cascade_convnext_a_coco.py', 'configs/seg/upernet_convnext_a_ade20k.py'
COMMON = [
    *(f'{split}_dataloader.num_workers=0' for split in ('train', 'val', 'test')),
    'default_hooks.logger.interval=1',
    'default_hooks.checkpoint.best=None',
    'log_processor.window_size=1',
    'train_dataloader.batch_size=2',
    'train_cfg.total_batch_size=2',
    'optim_wrapper.optimizer.lr=1e-3',
]
SMALL = {
    DET: [
        *COMMON,
        'train_dataloader.dataset.pipeline.3.transforms.0.0.scales=[(80,60)]',
        'train_dataloader.dataset.pipeline.3.transforms.1.0.scales=[(80,60)]',
        'train_dataloader.dataset.pipeline.3.transforms.1.1.crop_size=(40,50)',
        'train_dataloader.dataset.pipeline.3.transforms.1.2.scales=[(80,60)]',
        'val_dataloader.dataset.pipeline.1.scale=(80,60)',
        'test_dataloader.dataset.pipeline.1.scale=(80,60)',
        *(f'model.train_cfg.rcnn.{stage}.sampler.num=16' for stage in range(3)),
        'model.train_cfg.rpn_proposal.max_per_img=50',
        'model.test_cfg.rpn.max_per_img=50',
        'model.test_cfg.rcnn.max_per_img=10',
        'model.test_cfg.rcnn.score_thr=0.01',
        *(f'tta_pipeline.1.transforms.0.{i}.scale=(80,{side})' for i, side in enumerate((48, 60, 72))),
    ],
    SEG: [
        *COMMON,
        'model.data_preprocessor.size=(32,32)',
        'model.test_cfg.crop_size=(32,32)',
        'model.test_cfg.stride=(20,20)',
        'train_dataloader.dataset.pipeline.2.scale=(56,40)',
        'train_dataloader.dataset.pipeline.3.crop_size=(32,32)',
        'val_dataloader.dataset.pipeline.1.scale=(56,40)',
        'test_dataloader.dataset.pipeline.1.scale=(56,40)',
        'train_cfg.val_interval=4',
        'default_hooks.checkpoint.interval=2',
        *(f'tta_pipeline.1.transforms.0.{i}.scale=(64,{32 + 2 * i})' for i in range(6)),
    ],
}


@pytest.fixture(scope='module')
def masks(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('masks')
    (root / 'classes.txt').write_text('\n'.join(('red', 'green', 'blue', 'yellow', 'pink')))
    for i, split in enumerate(['training'] * 4 + ['validation'] * 2):
        for kind in ('images', 'annotations'):
            (root / kind / split).mkdir(parents=True, exist_ok=True)
        labels = draw_labels(i)
        Image.fromarray(COLORS[labels]).save(root / 'images' / split / f'{i}.png')
        Image.fromarray(labels).save(root / 'annotations' / split / f'{i}.png')
    return root


def run(verb: str, config: str, data: Path, *arguments: object, options: tuple[str, ...] = ()) -> int:
    argv = [config, *map(str, arguments), '--data', str(data)]
    return run_verb(verb, [*argv, '--cfg-options', *SMALL[config], *options])


@pytest.fixture(scope='module')
def backbone(image_folder, tmp_path_factory) -> Path:
    """A classification checkpoint."""
    work_dir = tmp_path_factory.mktemp('backbone')
    assert train(image_folder, work_dir, '--epochs', '1') == 0
    return work_dir / 'epoch_1.pth'


@pytest.fixture(scope='module')
def detector(coco, backbone, tmp_path_factory) -> Path:
    work_dir = tmp_path_factory.mktemp('detector')
    assert run('train', DET, coco, '--work-dir', work_dir, '--pretrained', backbone, '--epochs', 3) == 0
    return work_dir


@pytest.fixture(scope='module')
def segmentor(masks, backbone, tmp_path_factory) -> Path:
    work_dir = tmp_path_factory.mktemp('segmentor')
    assert run('train', SEG, masks, '--work-dir', work_dir, '--pretrained', backbone, '--iters', 6) == 0
    return work_dir


def log_of(work_dir: Path) -> str:
    return next(work_dir.glob('*/*.log')).read_text()


def test_the_backbone_moves_into_the_detector_and_its_classes_follow(detector, backbone):
    content = torch.load(detector / 'epoch_3.pth', weights_only=True)
    assert content['meta']['dataset_meta'] == {'classes': ['red', 'green', 'blue'], 'category_ids': [7, 2, 0]}
    for stage in range(3):
        assert content['state_dict'][f'roi_head.bbox_head.{stage}.fc_cls.weight'].shape[0] == 4
        assert content['state_dict'][f'roi_head.mask_head.{stage}.conv_logits.weight'].shape[0] == 3
    log = log_of(detector)
    trunk = sum(n.startswith('backbone.') and not n.startswith('backbone.norm.') for n in content['state_dict']) - 8
    assert f'pretrained: {trunk} tensors from {backbone}' in log
    assert 'fresh: neck, norms of the outputs, roi_head, rpn_head; left over in the file: final norm, head' in log
    losses = [loss for _, loss in read_scalars(detector)['train/loss']]
    assert len(losses) == 3 * 1  # three of four images have annotations: one batch of two an epoch
    assert all(0 < loss < 50 for loss in losses)


def test_testing_a_detector_gives_what_validation_gave(detector, coco, tmp_path, capsys):
    out, show = tmp_path / 'metrics.json', tmp_path / 'show'
    assert run('test', DET, coco, detector, '--out', out, '--show-dir', show) == 0
    content = json.loads(out.read_text())
    logged = {name: points[-1][1] for name, points in read_scalars(detector).items()}
    for name in ('raw/box_AP', 'raw/box_AP50', 'raw/mask_AP', 'raw/mask_AP50', 'raw/images'):
        assert content['metrics'][name] == logged[f'val/{name}']
    assert content['per_class']['raw'].keys() == {'red', 'green', 'blue'}
    table = capsys.readouterr().out
    assert 'mask_AP50' in table
    assert len(json.loads((show / 'predictions.json').read_text())) == 4


def test_a_detector_with_views_of_each_image(detector, coco, tmp_path):
    out = tmp_path / 'metrics.json'
    assert run('test', DET, coco, detector, '--tta', '--out', out) == 0
    metrics = json.loads(out.read_text())['metrics']
    assert metrics['raw/images'] == 4


def test_the_backbone_moves_into_the_segmentor(segmentor, backbone):
    content = torch.load(segmentor / 'iter_6.pth', weights_only=True)
    meta = content['meta']
    assert meta['dataset_meta']['classes'] == ['red', 'green', 'blue', 'yellow', 'pink']
    assert meta['dataset_meta']['reduce_zero_label'] is True
    saved = Config.fromfile(find_run_config(segmentor))
    assert [saved[f'{split}_dataloader'].dataset.reduce_zero_label for split in ('train', 'val', 'test')] == [True] * 3
    assert 'label 0 of the masks is ignored (' in log_of(segmentor)
    assert (meta['iter'], meta['epoch']) == (6, 2)
    assert content['state_dict']['decode_head.conv_seg.weight'].shape[0] == 5
    assert f'tensors from {backbone} (ours); fresh: auxiliary_head, decode_head, norms of the outputs' in log_of(
        segmentor
    )
    assert 'SyncBN does not work in one process: each process normalizes its own batch (BN)' in log_of(segmentor)
    scalars = read_scalars(segmentor)
    assert [step for step, _ in scalars['train/loss']] == [1, 2, 3, 4, 5, 6]
    assert [step for step, _ in scalars['val/raw/mIoU']] == [4, 6]
    assert {path.name for path in segmentor.glob('*.pth')} == {'iter_2.pth', 'iter_4.pth', 'iter_6.pth'}


def test_testing_a_segmentor_gives_what_validation_gave(segmentor, masks, tmp_path, capsys):
    out, show = tmp_path / 'metrics.json', tmp_path / 'show'
    assert run('test', SEG, masks, segmentor, '--out', out, '--show-dir', show) == 0
    said = ''.join(capsys.readouterr())
    assert 'SyncBN' not in said and 'logs in' not in said and 'yellow' in said
    content = json.loads(out.read_text())
    logged = {name: points[-1][1] for name, points in read_scalars(segmentor).items()}
    for name in ('raw/mIoU', 'raw/mAcc', 'raw/aAcc'):
        assert content['metrics'][name] == logged[f'val/{name}']
    assert content['per_class']['raw']['red'].keys() == {'IoU', 'Acc'}
    assert len(json.loads((show / 'predictions.json').read_text())) == 2


def test_label_maps_of_the_demo_are_masks_again(segmentor, masks, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images = masks / 'images' / 'validation'
    assert run_verb('demo', [str(segmentor), str(images), '--out-dir', 'drawn', '--device', 'cpu']) == 0
    shutil.copytree(masks, 'again')
    for path in images.iterdir():
        labels = Image.open(f'drawn/{path.stem}_labels.png')
        assert set(labels.getdata()) <= {1, 2, 3, 4, 5}
        labels.save(f'again/annotations/validation/{path.stem}.png')
    assert run_verb('test', [str(segmentor), '--data', 'again', '--out', 'metrics.json']) == 0
    assert json.loads(Path('metrics.json').read_text())['metrics']['raw/aAcc'] == 100


def test_a_segmentor_with_views_of_each_image_says_how(segmentor, masks, tmp_path, capsys, monkeypatch):
    used = []
    for mode in ('slide', 'whole'):
        name = f'{mode}_inference'
        original = getattr(EncoderDecoder, name)
        monkeypatch.setattr(
            EncoderDecoder, name, lambda *args, mode=mode, original=original: used.append(mode) or original(*args)
        )
    for mode in ('whole', 'slide'):
        out = tmp_path / f'{mode}.json'
        options = (f'tta_model.mode={mode}',)
        assert run('test', SEG, masks, segmentor, '--tta', '--out', out, options=options) == 0
        assert f'{mode} inference of each view' in capsys.readouterr().out
        assert json.loads(out.read_text())['metrics']['raw/images'] == 2
        assert used == [mode] * 2 * 6 * 2  # two images, six scales, with and without a flip
        used.clear()


def test_a_run_that_counts_steps_goes_on_from_the_middle_of_an_epoch(segmentor, masks, backbone, tmp_path):
    """Steps 5 and 6, after a cut behind step 4 of 2 x 2 + 2, are what they would have been."""
    options = ('default_hooks.checkpoint.interval=3', 'train_cfg.val_interval=100')
    arguments = ('--work-dir', tmp_path, '--iters', 6)
    assert run('train', SEG, masks, *arguments, '--pretrained', backbone, options=options) == 0
    (tmp_path / 'iter_6.pth').unlink()
    assert run('train', SEG, masks, *arguments, '--resume', options=options) == 0
    whole, cut = (torch.load(f / 'iter_6.pth', weights_only=True)['state_dict'] for f in (segmentor, tmp_path))
    assert all(torch.equal(tensor, cut[name]) for name, tensor in whole.items())
    assert read_scalars(tmp_path)['train/loss'] == read_scalars(segmentor)['train/loss']


def test_a_nan_stops_the_run_before_the_step(coco, tmp_path, capsys, monkeypatch):
    from mmdet.models.dense_heads import RPNHead

    steps = []

    def loss(self, *args, original=RPNHead.loss_and_predict, **kwargs):
        losses, proposals = original(self, *args, **kwargs)
        steps.append(1)
        if len(steps) == 2:
            losses['loss_rpn_cls'] = [value * float('nan') for value in losses['loss_rpn_cls']]
        return losses, proposals

    monkeypatch.setattr(RPNHead, 'loss_and_predict', loss)
    assert run('train', DET, coco, '--work-dir', tmp_path, '--pretrained', 'none', '--epochs', 3) == 2
    error = capsys.readouterr().err.strip()
    assert error.count('\n') == 0
    assert 'the loss is nan at step 2 on ' in error
    assert error.count('.png') == 2
    assert [path.name for path in tmp_path.glob('*.pth')] == ['epoch_1.pth']
    weights = torch.load(tmp_path / 'epoch_1.pth', weights_only=True)['state_dict']
    assert all(torch.isfinite(tensor).all() for tensor in weights.values() if tensor.is_floating_point())


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        (
            lambda train, val: val['categories'][1].update(name='teal'),
            r'categories differ: val2017 has teal, and lacks',
        ),
        (lambda train, val: train['annotations'].clear(), 'has no annotations'),
        (lambda train, val: train['images'].append(coco_files.image(77)), '1 image of 5 not in .*077.png'),
        (lambda train, val: train['annotations'][0].update(category_id=5), r'unknown categor.*1'),
        (lambda train, val: train['annotations'][4].update(EMPTY), '1 of 6 annotations .*most_lost'),
    ],
)
def test_bad_annotations_stop_before_training(tmp_path, capsys, change, said):
    train_data, val_data = coco_files.content(), coco_files.content()
    change(train_data, val_data)
    for split, data in (('train', train_data), ('val', val_data)):
        coco_files.write(tmp_path / 'data', data, split, drawn=coco_files.content())
    assert run('train', DET, tmp_path / 'data', '--work-dir', tmp_path / 'w', '--pretrained', 'none') == 2
    error = capsys.readouterr().err.strip()
    assert error.count('\n') == 0

    assert re.search(said, error), error


def test_what_is_dropped_is_said_before_training(tmp_path, capsys):
    data = coco_files.content()
    for number in range(7, 25):  # one of more than 20, so that less than 5% are lost
        data['annotations'].append(coco_files.annotation(number, 9, 'red', [2 * number, number, 20, 16]))
    data['annotations'][4].update(EMPTY)
    data['annotations'][0].update(id=2)
    coco_files.write(tmp_path / 'data', data, 'train', drawn=coco_files.content())
    coco_files.write(tmp_path / 'data', coco_files.content(), 'val')
    arguments = ('--work-dir', tmp_path / 'w', '--pretrained', 'none', '--epochs', 1)
    assert run('train', DET, tmp_path / 'data', *arguments) == 0
    said = capsys.readouterr().out
    assert 'train2017: 1 annotation dropped: box of zero area (annotation id 5)' in said
    assert said.index('box of zero area') < said.index('Epoch(train)')
    repaired = 'train2017: 2 annotations fixed: id missing or repeated, all are numbered anew (annotation ids 1, 2)'
    assert 0 < said.index(repaired) < said.index('Epoch(train)')


def test_a_checkpoint_of_another_task_is_refused(segmentor, coco, capsys):
    assert run('test', DET, coco, segmentor / 'iter_6.pth') == 2
    assert 'is for segmentation, the config for detection: take one of its task' in capsys.readouterr().err


def test_weights_that_share_nothing_with_the_backbone_are_refused(coco, tmp_path, capsys):
    torch.save({'model': {'blocks.0.attn.qkv.weight': torch.zeros(3)}}, tmp_path / 'vit.pth')
    arguments = ('--work-dir', tmp_path / 'w', '--pretrained', tmp_path / 'vit.pth')
    assert run('train', DET, coco, *arguments) == 2
    assert 'holds no ConvNeXt weights' in capsys.readouterr().err


@pytest.mark.faults
@pytest.mark.timeout(300)
@pytest.mark.parametrize(('package', 'config', 'data'), [('mmdet', DET, 'coco'), ('mmseg', SEG, 'masks')])
def test_stock_tools_run_our_configs(package, config, data, tmp_path, request):
    """Unmodified tools/train.py and tools/test.py of mmdet and mmseg, by run-stock."""
    root = request.getfixturevalue(data)
    places = {
        'coco': [
            f'{split}_dataloader.dataset.{key}={value}'
            for split, own in (('train', 'train'), ('val', 'val'), ('test', 'val'))
            for key, value in (
                ('annotations', root / 'annotations' / f'instances_{own}2017.json'),
                ('images', root / f'{own}2017'),
            )
        ]
        + ['train_cfg.max_epochs=1', *(f'model.roi_head.bbox_head.{i}.num_classes=3' for i in range(3))]
        + ['model.roi_head.mask_head.num_classes=3'],
        'masks': [f'{split}_dataloader.dataset.root={root}' for split in ('train', 'val', 'test')]
        + ['train_cfg.max_iters=2', 'model.decode_head.num_classes=5', 'model.auxiliary_head.num_classes=5'],
    }[data]
    places += [f'{split}_dataloader.persistent_workers=False' for split in ('train', 'val', 'test')]
    options = ['--cfg-options', *SMALL[config], *places, 'pretrained=None']
    work_dir = ['--work-dir', str(tmp_path)]
    for tool, arguments in (('train.py', []), ('test.py', [str(tmp_path / 'last.pth')])):
        stock = [sys.executable, 'tools/run_stock.py', f'{package}/tools/{tool}']
        command = [*stock, config, *arguments, *work_dir, *options]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=140)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
        if tool == 'train.py':
            next(tmp_path.glob('*_[0-9].pth')).rename(tmp_path / 'last.pth')
    assert ('raw/box_AP' if data == 'coco' else 'raw/mIoU') in done.stdout


def test_classification_has_no_views(image_folder, tmp_path, capsys):
    weights = build_model(read_config(ATTO, data=str(image_folder))).state_dict()
    torch.save({'state_dict': weights}, tmp_path / 'x.pth')
    assert run_verb('test', [ATTO, str(tmp_path / 'x.pth'), '--tta', '--data', str(image_folder)]) == 2
    assert '--tta is for detection and segmentation' in capsys.readouterr().err
