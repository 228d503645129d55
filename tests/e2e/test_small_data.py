"""``--patience``, ``--freeze`` and ``--balance`` from the command to the files, also of runs that are killed."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from convnext_dense.checkpoints import files as checkpoints
from convnext_dense.cli import run_verb
from convnext_dense.engine.csv_log import read_scalars
from tests.conftest import write_image_folder
from tests.e2e.test_detectors_resume import EMA, same
from tests.e2e.test_tiles_resume import SEGMENTOR, TILES
from tests.helpers.mask_folder import save
from tests.helpers.panoptic_heads import write_panoptic_data, write_panoptic_head
from tests.helpers.run_tool import ROOT
from tests.helpers.small_detectors import write_detector
from tests.helpers.small_run import (
    BY_EPOCH,
    BY_STEP,
    OPTIONS,
    differences,
    outcome,
    outcome_of,
    train,
    write_config,
)


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> Path:
    """Images of three classes, of which two have few."""
    root = write_image_folder(tmp_path_factory.mktemp('data') / 'images', train=16, val=2)
    for number, folder in enumerate(sorted((root / 'train').iterdir())):
        for path in sorted(folder.iterdir())[(16, 6, 2)[number] :]:
            path.unlink()
    return root


@pytest.fixture(scope='module')
def config(tmp_path_factory) -> Path:
    return write_config(tmp_path_factory.mktemp('config') / 'by_epoch.py', BY_EPOCH)


@pytest.fixture(scope='module')
def by_step(tmp_path_factory) -> Path:
    return write_config(tmp_path_factory.mktemp('config') / 'by_step.py', BY_STEP)


@pytest.fixture(scope='module')
def weights(config, data, tmp_path_factory) -> Path:
    work_dir = tmp_path_factory.mktemp('weights') / 'run'
    assert train(config, data, work_dir, '--epochs', '1') == 0
    return work_dir / 'epoch_1.pth'


def log_of(work_dir: Path) -> str:
    return ''.join(path.read_text() for path in sorted(work_dir.glob('*/*.log')))


# -- --freeze


@pytest.mark.parametrize(
    ('part', 'frozen'),
    [
        ('stem', ('downsample_layers.0',)),
        ('2', ('downsample_layers.0', 'downsample_layers.1', 'stages.0', 'stages.1')),
    ],
)
def test_frozen_parts_keep_their_weights_and_all_else_changes(part, frozen, config, data, weights, tmp_path, capsys):
    run = tmp_path / 'run'
    assert train(config, data, run, '--freeze', part, '--pretrained', str(weights)) == 0
    before = torch.load(weights, weights_only=True)['state_dict']
    after = torch.load(run / 'epoch_3.pth', weights_only=True)
    kept = tuple(f'backbone.{name}.' for name in frozen)
    for kind in ('state_dict', 'ema_state_dict'):
        for name, tensor in after[kind].items():
            assert torch.equal(tensor, before[name]) == name.startswith(kept), (kind, name)
    trained = sum(not name.startswith(kept) for name in before)
    assert len(after['optimizer']['state']) == trained  # none for what is frozen, and so no weight decay
    assert sum(len(group['params']) for group in after['optimizer']['param_groups']) == trained
    assert f'backbone.{frozen[0]}' in re.search(r'(.*) frozen: [\d,]+ of [\d,]+ parameters train', log_of(run))[1]
    last = run / 'epoch_3.pth'
    last.unlink()
    for other in ([], ['--freeze', 'backbone'], ['--freeze', '1']):
        assert train(config, data, run, '--resume', *other) == 2
        assert 'resume with its own --freeze' in capsys.readouterr().err
    assert train(config, data, run, '--resume', '--freeze', part) == 0
    assert same(torch.load(last, weights_only=True)['state_dict'], after['state_dict'])


# -- --balance


@pytest.mark.parametrize('flag', [['--balance'], ['--balance', '0.5']])
def test_a_balanced_run_that_is_cut_ends_as_the_uncut_one_and_keeps_its_balance(flag, by_step, data, tmp_path, capsys):
    whole, cut = tmp_path / 'whole', tmp_path / 'cut'
    keep = ('default_hooks.checkpoint.keep=9',)
    assert train(by_step, data, whole, *flag, options=keep) == 0
    text = log_of(whole)
    strength = flag[1] if flag[1:] else '1'
    after = ('8 samples rather than 2', '8 samples rather than 16') if strength == '1' else ('4 samples', '12 samples')
    assert f'--balance {strength}: in an epoch of 24 samples, the rarest class, ' in text
    assert all(part in text for part in after)
    shutil.copytree(whole, cut)
    for number in (6, 8, 9):
        (cut / f'iter_{number}.pth').unlink()
    assert checkpoints.find_newest(cut).name == 'iter_4.pth'  # inside the second epoch of three steps
    assert train(by_step, data, cut, '--resume', '--balance', '0.25') == 2
    assert f'the run had --balance {strength} and now has --balance 0.25: resume with --balance {strength}' in (
        capsys.readouterr().err
    )
    assert train(by_step, data, cut, '--resume', options=keep) == 0
    assert f'--balance {strength} is kept, which the run had' in log_of(cut)
    assert differences(outcome(whole), outcome(cut)) == []


def test_a_run_that_was_not_balanced_is_not_resumed_balanced(config, data, weights, tmp_path, capsys):
    run = tmp_path / 'run'
    shutil.copytree(weights.parent, run)
    assert train(config, data, run, '--resume', '--balance', '--epochs', '3') == 2
    error = 'the run had no balance of classes and now has --balance 1: resume with no balance'
    assert error in capsys.readouterr().err
    for value in ('0', '1.5', '-1'):
        assert train(config, data, tmp_path / 'x', f'--balance={value}') == 2
        assert f'error: --balance {value}: take a strength above 0, up to 1' in capsys.readouterr().err


def test_a_part_of_the_images_is_balanced_by_its_own_counts(config, data, tmp_path):
    run = tmp_path / 'run'
    shutil.copytree(data / 'train', tmp_path / 'flat')
    argv = ('--balance', '--val-split', '0.25', '--epochs', '1')
    assert train(config, tmp_path / 'flat', run, *argv, options=('train_dataloader.batch_size=2',)) == 0
    pattern = r'--balance 1: in an epoch of (\d+) samples, .* rather than (\d+) .* rather than (\d+);'
    counts = re.search(pattern, log_of(run))
    images = int(re.search(r'split: (\d+) images for training', log_of(run))[1])
    assert int(counts[1]) == images < 24 and int(counts[3]) < 16


@pytest.mark.parametrize(
    ('name', 'more'),
    [
        ('retinanet_convnext_t_coco', ['--balance=1', '--freeze', '1']),
        pytest.param('rtmdet_convnext_t_coco', ['--balance'], marks=pytest.mark.faults),
    ],
)
def test_a_balanced_detector(name, more, coco, tmp_path):
    """With a mosaic, whose other images are drawn by the same chances."""
    epochs = 'train_cfg.update(max_epochs=3)\n' if 'retinanet' in name else ''
    config, run = write_detector(name, tmp_path, EMA + epochs), tmp_path / 'run'
    argv = [str(config), '--data', str(coco), '--work-dir', str(run), *more]
    assert run_verb('train', argv) == 0
    assert re.search(r'--balance [\d.]+: in an epoch of \d+ samples, the rarest class', log_of(run))
    _cut_and_resume(argv, run)


def test_a_balanced_panoptic_run(tmp_path):
    data, config = write_panoptic_data(tmp_path / 'data'), write_panoptic_head('panoptic_fpn', tmp_path)
    run = tmp_path / 'run'
    argv = [str(config), '--data', str(data), '--work-dir', str(run), '--balance', '--epochs', '3']
    options = ['--cfg-options', 'default_hooks.checkpoint.keep=9', 'default_hooks.checkpoint.interval=1']
    assert run_verb('train', [*argv, *options]) == 0
    assert '--balance 0.5' in log_of(run)
    _cut_and_resume([*argv, *options], run)


def test_a_balanced_detector_on_tiles(coco, tmp_path):
    tiles = TILES + 'train_cfg.update(max_epochs=3)\n'
    config, run = write_detector('retinanet_convnext_t_coco', tmp_path, tiles), tmp_path / 'run'
    argv = [str(config), '--data', str(coco), '--work-dir', str(run), '--balance=1']
    assert run_verb('train', argv) == 0
    tiles, samples = (
        int(re.search(pattern, log_of(run))[1])
        for pattern in (r'train: (\d+) tiles of', r'--balance 1: in an epoch of (\d+) samples, the rarest class')
    )
    assert tiles == samples == len(read_scalars(run)['train/loss']) // 3
    _cut_and_resume(argv, run)


def test_a_balanced_segmentor_on_tiles(tmp_path):
    rng = np.random.default_rng(0)
    for split in ('training', 'validation'):
        for number in range(3):
            labels = np.ones((90, 120), np.uint8)
            labels[10:30, 20:50], labels[60:, 100:] = 2, 3 if number == 1 else 0
            save(tmp_path / f'data/images/{split}/{number}.png', rng.integers(0, 256, (90, 120, 3), np.uint8))
            save(tmp_path / f'data/annotations/{split}/{number}.png', labels)
    (tmp_path / 'data/classes.txt').write_text('one\ntwo\nthree\n')
    config, run = tmp_path / 'config.py', tmp_path / 'run'
    config.write_text(SEGMENTOR.format(root=ROOT, tiles=TILES))
    argv = [str(config), '--data', str(tmp_path / 'data'), '--work-dir', str(run), '--balance']
    assert run_verb('train', argv) == 0
    assert re.search(r'--balance 0.5: in an epoch of \d+ samples, the rarest class, three, is in', log_of(run))
    whole, logged = torch.load(run / 'iter_6.pth', weights_only=True), read_scalars(run)['train/loss']
    for number in (4, 6):
        (run / f'iter_{number}.pth').unlink()
    assert run_verb('train', [*argv, '--resume']) == 0
    resumed = torch.load(run / 'iter_6.pth', weights_only=True)
    assert all(same(whole[part], resumed[part]) for part in ('state_dict', 'optimizer'))
    assert read_scalars(run)['train/loss'] == logged


def _cut_and_resume(argv: list[str], run: Path) -> None:
    last = run / 'epoch_3.pth'
    whole, logged = torch.load(last, weights_only=True), read_scalars(run)['train/loss']
    for number in (2, 3):
        (run / f'epoch_{number}.pth').unlink()
    assert run_verb('train', [*argv, '--resume']) == 0
    resumed = torch.load(last, weights_only=True)
    assert all(same(whole.get(part), resumed.get(part)) for part in ('state_dict', 'ema_state_dict', 'optimizer'))
    assert read_scalars(run)['train/loss'] == logged


# -- --patience


def test_patience_without_validation_names_the_fix(config, data, tmp_path, capsys):
    shutil.copytree(data / 'train', tmp_path / 'alone' / 'train')
    assert train(config, tmp_path / 'alone', tmp_path / 'run', '--patience', '2') == 2
    error = capsys.readouterr().err
    assert 'error: --patience 2 waits for validations, and there are no validation data beside' in error
    assert 'hold out a fifth of the images with --val-split 0.2\n' in error
    assert train(config, data, tmp_path / 'run', '--patience', '0') == 2
    assert 'error: --patience 0: wait for at least 1 validation' in capsys.readouterr().err
    assert not (tmp_path / 'run').exists()


def test_a_run_ends_by_its_patience_and_goes_on_by_a_larger_one(config, data, tmp_path, capsys):
    """With a lr of 0, whose metric never changes after the first validation."""
    whole, run = tmp_path / 'whole', tmp_path / 'run'
    options = ('optim_wrapper.optimizer.lr=0', 'optim_wrapper.optimizer.weight_decay=0', 'default_hooks.ema=None')
    assert train(config, data, whole, options=options) == 0
    assert train(config, data, run, '--patience', '1', options=options) == 0
    said = capsys.readouterr().out
    assert 'training ends early, after epoch 2 of 3 (step 6 of 9): raw/top1 has not improved in 1 validation' in said
    assert f'after epoch 1, in {run / "best.pth"}' in said
    assert train(config, data, run, '--resume', options=options) == 0
    said = capsys.readouterr().out
    assert '--patience 1 is kept, which the run had' in said and 'It goes on with --patience 2, or any' in said
    assert not (run / 'epoch_3.pth').exists()
    longer = (*options, 'train_cfg.max_epochs=7')  # as a run that was started with --epochs, resumed without
    assert train(config, data, run, '--resume', options=longer) == 0
    assert 'the run ended early, after epoch 2 of 3' in capsys.readouterr().out
    assert train(config, data, run, '--resume', '--patience', '2', options=options) == 0
    content = [torch.load(one / 'epoch_3.pth', weights_only=True) for one in (whole, run)]
    assert all(same(content[0][part], content[1][part]) for part in ('state_dict', 'optimizer', 'param_schedulers'))


# -- kill -9


@pytest.mark.faults
@pytest.mark.timeout(600)
@pytest.mark.parametrize('kind', ['by_epoch', 'by_step'])
def test_killed_at_a_random_step_and_resumed_to_the_same_end(kind, config, by_step, data, weights, tmp_path):
    """All three flags at once, with the average and the state of the patience."""
    chosen = config if kind == 'by_epoch' else by_step
    flags = ['--patience', '2', '--freeze', '1', '--balance', '0.5', '--resume', 'auto']
    options = [*OPTIONS, 'default_hooks.checkpoint.interval=1', 'default_hooks.checkpoint.keep=3']

    def command(work_dir: Path) -> list[str]:
        argv = [str(chosen), '--data', str(data), '--work-dir', str(work_dir), *flags]
        tool = str(ROOT / 'tools/train.py')
        return [sys.executable, tool, *argv, '--cfg-options', *options, f'pretrained={weights}']

    whole, cut = tmp_path / 'whole', tmp_path / 'cut'
    subprocess.run(command(whole), check=True, stdout=subprocess.DEVNULL)
    rows = _rows(whole)
    moment = random.Random(kind).uniform(0.3, 0.8) * rows
    process = subprocess.Popen(command(cut), stdout=subprocess.DEVNULL, start_new_session=True)
    while _rows(cut) < moment and process.poll() is None:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    subprocess.run(command(cut), check=True, stdout=subprocess.DEVNULL)
    assert not differences(_all_of(whole), _all_of(cut))


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_processes_that_train_together_end_by_their_patience_alike(config, data, weights, tmp_path):
    """With a lr of 0, whose metric never changes after the first validation; killed in the second epoch."""
    launch = [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2', 'tools/train.py']
    flags = ['--launcher', 'pytorch', '--patience', '2', '--freeze', '2', '--balance', '--resume', 'auto']
    options = [*OPTIONS, 'train_dataloader.batch_size=4', f'pretrained={weights}']

    def command(work_dir: Path, lr: str = '0') -> list[str]:
        argv = [str(config), '--data', str(data), '--work-dir', str(work_dir), '--epochs', '6', *flags]
        return [*launch, *argv, '--cfg-options', *options, f'optim_wrapper.optimizer.lr={lr}']

    whole, cut = tmp_path / 'whole', tmp_path / 'cut'
    for work_dir in (whole, cut):
        process = subprocess.Popen(command(work_dir), cwd=ROOT, stdout=subprocess.DEVNULL)
        while work_dir is cut and not (cut / 'epoch_1.pth').exists() and process.poll() is None:
            time.sleep(0.01)
        if work_dir is cut:  # the launcher and the processes, which are no group of its own
            ranks = Path(f'/proc/{process.pid}/task/{process.pid}/children').read_text().split()
            for pid in (process.pid, *map(int, ranks)):
                os.kill(pid, signal.SIGKILL)
        process.wait()
    assert subprocess.run(command(cut), cwd=ROOT, stdout=subprocess.DEVNULL).returncode == 0
    contents = [torch.load(work_dir / 'epoch_3.pth', weights_only=True) for work_dir in (whole, cut)]
    assert not differences(*(outcome_of(content) for content in contents))
    for work_dir in (whole, cut):
        assert not (work_dir / 'epoch_4.pth').exists()
        assert 'has not improved in 2 validations in a row' in log_of(work_dir)


def _rows(work_dir: Path) -> int:
    return sum(file.read_bytes().count(b'\n') for file in work_dir.glob('*/vis_data/scalars.csv'))


def _all_of(work_dir: Path) -> dict:
    found = outcome(work_dir)
    last = next(content for name, content in found.items() if name.endswith(('_3.pth', '_9.pth')))
    assert last['runtime_info']['early_stopping']['best.pth']['best_at']
    assert last['meta']['run']['frozen']
    return found


# -- --val-split


def test_a_resumed_run_keeps_its_split(config, data, tmp_path, capsys):
    root, run = tmp_path / 'flat', tmp_path / 'run'
    shutil.copytree(data / 'train', root)
    small = ('train_dataloader.batch_size=2',)
    split = ('--val-split', '0.25', '--split-seed', '3')
    assert train(config, root, run, *split, options=small) == 0
    whole = torch.load(run / 'epoch_3.pth', weights_only=True)
    (run / 'epoch_3.pth').unlink()
    capsys.readouterr()
    assert train(config, root, run, '--resume', options=small) == 0
    assert '--val-split 0.25 --split-seed 3 is kept, by which the run split its data' in capsys.readouterr().out
    assert same(torch.load(run / 'epoch_3.pth', weights_only=True)['state_dict'], whole['state_dict'])
    assert train(config, root, run, '--resume', '--val-split', '0.5', options=small) == 2
    assert 'has the split --val-split 0.25 --split-seed 3, and now --val-split 0.5 is given' in capsys.readouterr().err


def test_a_folder_inside_a_data_set_is_not_split_but_named(config, data, tmp_path, capsys):
    assert train(config, data / 'train', tmp_path / 'run', '--val-split', '0.2') == 2
    said = f'--val-split 0.2: {data / "train"} is the train folder of a data set itself: give the folder around it'
    assert said in capsys.readouterr().err
