"""``train --batch``: the same learning from other batches, and a resumed run with the batch that it found."""

import pytest
import torch

from convnext_dense.cli import run_verb
from tests.helpers.run_tool import ATTO, ROOT
from tests.helpers.small_run import ARCH, differences, outcome, write_config

CONFIG = f"""
_base_ = '{ROOT / ATTO}'
model = dict(backbone=dict(arch={ARCH}, drop_path_rate=0.0), mixup=None)
train_dataloader = dict(batch_size=8, num_workers=0, dataset=dict(transform=dict(input_size=32)))
val_dataloader = dict(num_workers=0, dataset=dict(transform=dict(input_size=32)))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=3, total_batch_size=8)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
default_hooks = dict(
    ema=dict(momentum=0.2), logger=dict(interval=1), checkpoint=dict(keep=2, best='raw/top1'))
"""


def train(data, folder, name, *arguments):
    config = write_config(folder / 'small.py', CONFIG)
    argv = [str(config), '--data', str(data), '--work-dir', str(folder / name), *arguments]
    return run_verb('train', argv)


@pytest.mark.timeout(120)
def test_another_batch_learns_the_same_up_to_rounding(own_image_folder, tmp_path, capfd):
    assert train(own_image_folder, tmp_path, 'whole') == 0
    assert train(own_image_folder, tmp_path, 'parts', '--batch', '2') == 0
    assert 'total batch 8 = 2 per process x 1 process x 4 accumulated; lr 0.001' in ''.join(capfd.readouterr())
    whole, parts = (outcome(tmp_path / name)['epoch_3.pth']['state_dict'] for name in ('whole', 'parts'))
    for name, weight in whole.items():
        torch.testing.assert_close(parts[name], weight, rtol=1e-3, atol=1e-4)


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_a_run_goes_on_with_the_batch_that_it_found(own_image_folder, tmp_path, monkeypatch, capfd):
    assert train(own_image_folder, tmp_path, 'whole', '--batch', 'auto') == 0
    assert 'images of 32 x 32 at once' in ''.join(capfd.readouterr())
    assert train(own_image_folder, tmp_path, 'cut', '--batch', 'auto') == 0
    content = tmp_path / 'cut' / 'epoch_3.pth'
    content.unlink()
    monkeypatch.setattr('convnext_dense.cli.commands.train.find_batch', lambda *_: 1 / 0)
    assert train(own_image_folder, tmp_path, 'cut', '--batch', 'auto', '--resume') == 0
    assert '--batch auto: the run keeps its 8 images at once' in ''.join(capfd.readouterr())
    assert not differences(outcome(tmp_path / 'cut')['epoch_3.pth'], outcome(tmp_path / 'whole')['epoch_3.pth'])


@pytest.mark.parametrize('value', ['0', '-3', 'all', '2.5'])
def test_no_batch(value, own_image_folder, tmp_path, capfd):
    assert train(own_image_folder, tmp_path, 'run', f'--batch={value}') == 2
    assert 'is no batch: take a whole number from 1, or auto' in capfd.readouterr().err


def test_batch_and_option(own_image_folder, tmp_path, capfd):
    arguments = ('--batch', '4', '--cfg-options', 'train_dataloader.batch_size=2')
    assert train(own_image_folder, tmp_path, 'run', *arguments) == 2
    assert 'both set the batch: leave out one' in capfd.readouterr().err
