"""An adapted YOLOX with all that is random in it: an interrupted run goes on as if it had not been, to the bit."""

import pytest
import torch

from convnext_dense.adaptation import adapt
from convnext_dense.adaptation.writing import config_text
from convnext_dense.cli import run_verb
from convnext_dense.engine.csv_log import read_scalars

SMALL = """
_base_ = './yolox.py'
pretrained = None
sample_settings = None
model = dict(
    data_preprocessor=dict(batch_augments=[
        dict(type='convnext_dense.BatchSyncRandomResize', random_size_range=(32, 128), interval=2, size_divisor=32)]),
    backbone=dict(arch=dict(_delete_=True, depths=[1, 1, 1, 1], dims=[8, 16, 24, 32]), drop_path_rate=0.2),
    neck=dict(in_channels=[16, 24, 32], out_channels=16, num_csp_blocks=1),
    bbox_head=dict(in_channels=16, feat_channels=16, stacked_convs=1))
train_dataloader = dict(batch_size=2, num_workers=1, persistent_workers=True, dataset=dict(pipeline=[
    dict(type='convnext_dense.Mosaic', img_scale=(64, 64)), dict(type='mmdet.RandomAffine', border=(-32, -32)),
    dict(type='convnext_dense.MixUp', img_scale=(64, 64)), dict(type='mmdet.RandomFlip', prob=0.5),
    dict(type='mmdet.Resize', scale=(64, 64), keep_ratio=True), dict(type='mmdet.Pad', size=(64, 64)),
    dict(type='mmdet.PackDetInputs')]))
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(pipeline=[
    dict(type='convnext_dense.LoadImage'), dict(type='mmdet.Resize', scale=(64, 64), keep_ratio=True),
    dict(type='mmdet.PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'instances'))]))
train_cfg = dict(max_epochs=4, total_batch_size=2, val_interval=4)
custom_hooks = [dict(type='mmdet.YOLOXModeSwitchHook', num_last_epochs=2,
    skip_type_keys=('convnext_dense.Mosaic', 'mmdet.RandomAffine', 'convnext_dense.MixUp'))]
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=1, keep=9, best=None))
log_processor = dict(window_size=1)
"""


@pytest.mark.faults
@pytest.mark.timeout(600)
@pytest.mark.parametrize('resumed_from', [1, 3])  # before and after the augmentation ends
def test_an_adapted_yolox_resumes_to_the_last_bit(resumed_from, coco, tmp_path):
    (tmp_path / 'yolox.py').write_text(config_text(adapt('mmdet:yolox/yolox_s_8xb8-300e_coco.py', 'atto')))
    (tmp_path / 'small.py').write_text(SMALL)
    run = tmp_path / 'run'
    argv = [str(tmp_path / 'small.py'), '--data', str(coco), '--work-dir', str(run)]
    assert run_verb('train', argv) == 0
    whole, logged = torch.load(run / 'epoch_4.pth', weights_only=True), read_scalars(run)
    log = ''.join(path.read_text() for path in run.glob('*/*.log'))
    assert 'left out of the training pipeline from now on: convnext_dense.Mosaic' in log
    l1 = [value for _, value in logged['train/loss_l1']]
    assert 0 < len(l1) < len(logged['train/loss'])  # the hook has the head learn it in the last epochs
    for epoch in range(resumed_from + 1, 5):
        (run / f'epoch_{epoch}.pth').unlink()
    assert run_verb('train', [*argv, '--resume']) == 0
    resumed = torch.load(run / 'epoch_4.pth', weights_only=True)
    for part in ('state_dict', 'ema_state_dict'):
        for name, tensor in whole[part].items():
            assert torch.equal(tensor, resumed[part][name]), name
    assert read_scalars(run)['train/loss'] == logged['train/loss']
