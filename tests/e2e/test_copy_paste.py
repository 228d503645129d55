"""``train --copy-paste``: exact under resume, whatever the number of loader workers."""

import pytest
import torch

from convnext_dense.cli import run_verb
from convnext_dense.engine.csv_log import read_scalars
from tests.helpers.mask_rcnn import write_mask_rcnn

OPTIONS = [
    'train_dataloader.batch_size=2',
    'train_dataloader.dataset.pipeline.3.transforms.0.0.scales=[(64,80),(48,64)]',
    'train_dataloader.dataset.pipeline.3.transforms.1.2.scales=[(64,80)]',
    'train_dataloader.dataset.pipeline.3.transforms.1.0.scales=[(64,96)]',
    'train_dataloader.dataset.pipeline.3.transforms.1.1.crop_size=(40,50)',
    'train_dataloader.dataset.filter_cfg.min_size=1',
    'train_cfg.total_batch_size=2',
    'val_dataloader.num_workers=0',
    'val_dataloader.dataset.pipeline.1.scale=(80,64)',
    'default_hooks.logger.interval=1',
    'log_processor.window_size=1',
    'default_hooks.checkpoint.keep=3',
    'default_hooks.checkpoint.best=None',
]


@pytest.mark.timeout(600)
@pytest.mark.faults
def test_a_resumed_run_pastes_the_same(coco, tmp_path, capsys):
    config = write_mask_rcnn(tmp_path)

    def train(name: str, workers: int, *arguments: str) -> int:
        argv = [str(config), '--data', str(coco), '--work-dir', str(tmp_path / name), '--pretrained', 'none']
        argv += ['--amp', 'off', '--epochs', '3', *arguments]
        return run_verb('train', [*argv, '--cfg-options', *OPTIONS, f'train_dataloader.num_workers={workers}'])

    assert train('run', 2, '--copy-paste', '0.8') == 0
    assert 'copy-paste: into 80% of the images' in capsys.readouterr().out
    whole = torch.load(tmp_path / 'run/epoch_3.pth', weights_only=True)['state_dict']
    logged = read_scalars(tmp_path / 'run')['train/loss']
    for number in (2, 3):
        (tmp_path / f'run/epoch_{number}.pth').unlink()
    assert train('run', 0, '--resume') == 2
    assert 'the run was started with --copy-paste 0.8: resume it so' in capsys.readouterr().err
    assert train('run', 0, '--copy-paste', '0.8', '--resume') == 0
    resumed = torch.load(tmp_path / 'run/epoch_3.pth', weights_only=True)['state_dict']
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert read_scalars(tmp_path / 'run')['train/loss'] == logged
    assert train('plain', 0) == 0
    assert read_scalars(tmp_path / 'plain')['train/loss'] != logged
