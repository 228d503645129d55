"""Training on tiles: a run that is killed and resumed equals one that was not, to the last bit."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from convnext_dense.cli import run_verb
from convnext_dense.engine.csv_log import read_scalars
from tests.e2e.test_detectors_resume import same
from tests.helpers.mask_folder import save
from tests.helpers.small_detectors import write_detector
from tests.helpers.small_models import ROOT

TILES = """
tiles = dict(size=(48, 48), overlap=0.2, empty_share=0.3)
val_dataloader = val_evaluator = val_cfg = None
"""
SEGMENTOR = """
_base_ = '{root}/configs/seg/upernet_convnext_a_ade20k.py'
pretrained = sample_settings = None
train_cfg = dict(_delete_=True, type='convnext_dense.TrainLoop', max_iters=6, total_batch_size=2)
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=2, keep=9, best=None), run_length=None)
log_processor = dict(window_size=1)
load = [dict(type='convnext_dense.LoadImage'), dict(type='convnext_dense.LoadMask')]
train_dataloader = dict(batch_size=2, num_workers=2, persistent_workers=True, dataset=dict(pipeline=[*load,
    dict(type='mmseg.RandomFlip', prob=0.5), dict(type='mmseg.PackSegInputs')]))
model = dict(data_preprocessor=dict(size=(48, 48)),
    backbone=dict(arch=dict(_delete_=True, depths=[1, 1, 1, 1], dims=[8, 16, 24, 32])),
    decode_head=dict(in_channels=[8, 16, 24, 32], channels=16), auxiliary_head=dict(in_channels=24, channels=16))
{tiles}"""


@pytest.mark.parametrize(
    'name', ['retinanet_convnext_t_coco', pytest.param('rtmdet_convnext_t_coco', marks=pytest.mark.faults)]
)
def test_detectors(name, coco, tmp_path):
    """With a single image at a time, and with mosaics of tiles in loader workers."""
    workers = 'train_dataloader.update(num_workers=1, persistent_workers=True)\n'
    more = TILES + ('train_cfg.update(max_epochs=3)\n' if 'retinanet' in name else workers)
    config, run = write_detector(name, tmp_path, more), tmp_path / 'run'
    argv = [str(config), '--data', str(coco), '--work-dir', str(run)]
    assert run_verb('train', argv) == 0
    whole, logged = torch.load(run / 'epoch_3.pth', weights_only=True), read_scalars(run)['train/loss']
    log = ''.join(path.read_text() for path in run.glob('*/*.log'))
    assert 'tiles of 48 x 48, of which' in log and f'train: {len(logged) // 3} tiles of ' in log
    for number in (2, 3):
        (run / f'epoch_{number}.pth').unlink()
    assert run_verb('train', [*argv, '--resume']) == 0
    resumed = torch.load(run / 'epoch_3.pth', weights_only=True)
    assert all(same(whole[part], resumed[part]) for part in ('state_dict', 'optimizer'))
    assert read_scalars(run)['train/loss'] == logged


@pytest.mark.faults
@pytest.mark.timeout(300)
def test_a_segmentor_that_is_killed(tmp_path):
    rng = np.random.default_rng(0)
    for split in ('training', 'validation'):
        for number in range(2):
            labels = np.ones((90, 120), np.uint8)
            labels[10:30, 20:50], labels[60:, 100:] = 2, 0
            save(tmp_path / f'data/images/{split}/{number}.png', rng.integers(0, 256, (90, 120, 3), np.uint8))
            save(tmp_path / f'data/annotations/{split}/{number}.png', labels)
    (tmp_path / 'data/classes.txt').write_text('one\ntwo\n')
    config = tmp_path / 'config.py'
    config.write_text(SEGMENTOR.format(root=ROOT, tiles=TILES))

    def command(run, *more):
        argv = [str(config), '--data', str(tmp_path / 'data'), '--work-dir', str(tmp_path / run), *more]
        return [sys.executable, str(ROOT / 'tools/train.py'), *argv]

    subprocess.run(command('whole'), check=True, stdout=subprocess.DEVNULL)
    process = subprocess.Popen(command('cut'), stdout=subprocess.DEVNULL, start_new_session=True)
    while not (tmp_path / 'cut/iter_2.pth').exists() and process.poll() is None:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / 'cut/iter_6.pth').exists()
    subprocess.run(command('cut', '--resume'), check=True, stdout=subprocess.DEVNULL)
    whole, cut = (torch.load(tmp_path / run / 'iter_6.pth', weights_only=True) for run in ('whole', 'cut'))
    assert all(same(whole[part], cut[part]) for part in ('state_dict', 'optimizer'))
    assert read_scalars(tmp_path / 'cut')['train/loss'] == read_scalars(tmp_path / 'whole')['train/loss']
