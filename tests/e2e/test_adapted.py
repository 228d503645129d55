"""Configs of mmdet and mmseg, from adapt to demo by commands alone, killed in between."""

import json
import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path

import pytest
import torch

from convnext_dense.cli import run_verb
from convnext_dense.engine.csv_log import read_scalars
from convnext_dense.inference.files import RESULTS
from tests.helpers import small_run
from tests.helpers.mask_folder import write_mask_folder

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

LOADERS = [
    *(f'{split}_dataloader.num_workers=0' for split in ('train', 'val', 'test')),
    *(f'{split}_dataloader.persistent_workers=False' for split in ('train', 'val', 'test')),
    *('train_dataloader.batch_size=2', 'train_cfg.total_batch_size=2', 'train_cfg.val_interval=1000'),
    *('default_hooks.logger.interval=1', 'default_hooks.checkpoint.best=None', 'default_hooks.checkpoint.keep=9'),
]
DETECTION = ['--image-size', '96', '96', '--epochs', '6', '--cfg-options', *LOADERS]
SEGMENTATION = ['--image-size', '64', '64', '--iters', '12', '--cfg-options', *LOADERS]
HEADS = {
    'mmdet:retinanet/retinanet_r50_fpn_1x_coco.py': [*DETECTION, 'model.bbox_head.stacked_convs=1'],
    'mmdet:dino/dino-4scale_r50_8xb2-12e_coco.py': [
        *DETECTION,
        *('model.num_queries=10', 'model.encoder.num_layers=1', 'model.decoder.num_layers=1'),
        *('model.dn_cfg.group_cfg.num_dn_queries=4', 'model.test_cfg.max_per_img=10'),
    ],
    'mmseg:deeplabv3plus/deeplabv3plus_r50-d8_4xb4-80k_ade20k-512x512.py': [
        *SEGMENTATION,
        *('default_hooks.checkpoint.interval=4', 'model.decode_head.channels=16', 'model.auxiliary_head.channels=16'),
    ],
}


@pytest.fixture(scope='module')
def forks():
    """Processes that start with everything imported."""
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(['tests.helpers.warm'])
    return context


def _train(log: Path, argv: list[str]) -> None:
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.exit(run_verb('train', argv))


def outcome(run: Path) -> dict:
    """The last checkpoint and all that was logged, without what depends on the clock."""
    last = max(run.glob('*_[0-9]*.pth'), key=lambda file: int(file.stem.partition('_')[2]))
    content = torch.load(last, weights_only=True)
    parts = {name: content[name] for name in ('state_dict', 'optimizer', 'param_schedulers')}
    logged = read_scalars(run).items()
    log = {name: values for name, values in logged if 'time' not in name and 'memory' not in name}
    return {'name': last.name, **parts, 'log': log}


@pytest.mark.parametrize('source', HEADS)
def test_adapted_trained_killed_resumed_tested_and_drawn(source, forks, coco, tmp_path, monkeypatch):
    is_detector = source.startswith('mmdet')
    data = coco if is_detector else write_mask_folder(tmp_path / 'masks')
    monkeypatch.chdir(tmp_path)
    assert run_verb('adapt', [source, '--arch', 'zepto', '--out', 'adapted.py']) == 0

    def argv(run: str) -> list[str]:
        start = ['adapted.py', '--data', str(data), '--work-dir', run, '--pretrained', 'none', '--resume', 'auto']
        return [*start, *HEADS[source]]

    assert run_verb('train', argv('whole')) == 0
    log = tmp_path / 'cut.log'
    process = forks.Process(target=_train, args=(log, argv('cut')))
    process.start()
    while process.is_alive() and not list((tmp_path / 'cut').glob('*_[0-9]*.pth')):
        time.sleep(0.005)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL, log.read_text()
    steps = len(next(iter(read_scalars(tmp_path / 'cut').values())))
    assert run_verb('train', argv('cut')) == 0
    whole, cut = outcome(tmp_path / 'whole'), outcome(tmp_path / 'cut')
    assert not small_run.differences(whole, cut)
    assert 0 < steps < len(whole['log']['train/loss'])
    assert run_verb('test', ['cut', '--data', str(data)]) == 0
    image = sorted(data.glob('**/val*/*.png'))[0]
    score = ['--score', '0'] if is_detector else []
    assert run_verb('demo', ['cut', str(image), '--out-dir', 'out', *score]) == 0
    assert json.loads((tmp_path / 'out' / RESULTS).read_text())
