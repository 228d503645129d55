"""Pre-training from a folder of images to the weights of other tasks: exact when cut, the same on any machine."""

import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convnext_dense.checkpoints.files import find
from convnext_dense.cli import run_verb
from convnext_dense.config.read import read_config
from convnext_dense.engine.building import build_model
from convnext_dense.engine.csv_log import read_scalars
from convnext_dense.weights.loading import load_pretrained
from tests.helpers import processes
from tests.helpers.run_tool import ROOT
from tests.helpers.small_run import differences, outcome

ARCH = 'dict(_delete_=True, depths=[1, 1, 1, 1], dims=[4, 8, 12, 16])'
CONFIG = f"""
_base_ = '{ROOT / 'configs/pretrain/fcmae_convnextv2_a.py'}'
model = dict(backbone=dict(arch={ARCH}), decoder_dim=8)
train_cfg = dict(max_epochs=3, total_batch_size=8)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=1, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', begin=1, end=3, eta_min=0.0, convert_to_iter_based=True),
]
optim_wrapper = dict(optimizer=dict(lr=1e-2))
"""
OPTIONS = [
    'train_dataloader.batch_size=8',
    *(f'{loader}_dataloader.num_workers=0' for loader in ('train', 'val', 'test')),
    *(f'{loader}_dataloader.dataset.transform.input_size=64' for loader in ('train', 'val', 'test')),
    'default_hooks.logger.interval=1',
    'log_processor.window_size=4',
]


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('data')
    rng = np.random.default_rng(0)
    for folder, count in (('train/deep/a', 12), ('train/b', 12), ('val', 5)):
        (root / folder).mkdir(parents=True)
        for i in range(count):
            image = Image.fromarray(rng.integers(0, 256, (3, 4, 3), np.uint8))
            image.resize((90, 70), Image.Resampling.BICUBIC).save(root / folder / f'{i:02}.jpg')
    return root


@pytest.fixture(scope='module')
def config(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp('config') / 'fcmae.py'
    file.write_text(CONFIG)
    return file


def train(config: Path, data: Path, work_dir: Path, *arguments: str, options: tuple[str, ...] = ()) -> int:
    argv = [str(config), '--data', str(data), '--work-dir', str(work_dir), *arguments]
    return run_verb('train', [*argv, '--cfg-options', *OPTIONS, *options])


@pytest.fixture(scope='module')
def run(config, data, tmp_path_factory) -> Path:
    work_dir = tmp_path_factory.mktemp('runs') / 'run'
    assert train(config, data, work_dir) == 0
    return work_dir


def test_it_learns_and_keeps_the_checkpoint_with_the_lowest_loss(run):
    scalars = read_scalars(run)
    losses = [value for _, value in scalars['val/raw/reconstruction_loss']]
    assert len(losses) == 3
    assert losses[-1] < losses[0]
    manifest = torch.load(run / 'best.pth', weights_only=True)['runtime_info']
    assert manifest['best_score'] == pytest.approx(min(losses), abs=1e-6)
    assert [value for _, value in scalars['val/raw/images']] == [5, 5, 5]


def test_the_logged_loss_of_a_validation_is_its_own(run, tmp_path):
    """And not a mean over those before it."""
    assert run_verb('test', [str(run), '--out', str(tmp_path / 'm.json'), '--show-dir', str(tmp_path / 'show')]) == 0
    tested = json.loads((tmp_path / 'm.json').read_text())['metrics']['raw/reconstruction_loss']
    (*_, (_, last)) = read_scalars(run)['val/raw/reconstruction_loss']
    assert tested == pytest.approx(last, rel=1e-4)
    entries = json.loads((tmp_path / 'show' / 'predictions.json').read_text())
    assert len(entries) == 5
    mean = np.mean([float(one['caption'].removeprefix('loss ')) for one in entries])
    assert mean == pytest.approx(tested, abs=1e-3)


@pytest.mark.parametrize('cut', [2, 4])
def test_a_run_that_was_cut_ends_as_one_that_was_not(run, config, data, tmp_path, cut, monkeypatch):
    from convnext_dense.engine.train_loop import TrainLoop

    steps = TrainLoop.run_iter

    def stop(self, *args):
        result = steps(self, *args)
        if self.runner.iter == cut:
            os.kill(os.getpid(), signal.SIGTERM)
        return result

    monkeypatch.setattr(TrainLoop, 'run_iter', stop)
    assert train(config, data, tmp_path / 'cut') == 143
    monkeypatch.undo()
    assert train(config, data, tmp_path / 'cut', '--resume') == 0
    assert differences(outcome(run), outcome(tmp_path / 'cut')) == []


PLAIN = ('optim_wrapper.optimizer.eps=1e-2',)  # or Adam's first steps would magnify rounding


@pytest.fixture(scope='module')
def whole(config, data, tmp_path_factory) -> Path:
    """An epoch of whole batches in one process."""
    work_dir = tmp_path_factory.mktemp('runs') / 'whole'
    assert train(config, data, work_dir, '--epochs', '1', options=PLAIN) == 0
    return work_dir


def assert_same_weights(*runs: Path) -> None:
    first, second = (torch.load(run / 'epoch_1.pth', weights_only=True) for run in runs)
    assert first['meta']['iter'] == second['meta']['iter'] == 3
    for name, tensor in first['state_dict'].items():
        assert torch.allclose(tensor, second['state_dict'][name], rtol=0, atol=1e-6), name


def test_accumulated_batches_and_workers_give_the_same_weights(whole, config, data, tmp_path):
    """An image has the same hidden patches in any batch, and as many as others, so that a mean is that of means."""
    options = (*PLAIN, 'train_dataloader.batch_size=4', 'train_dataloader.num_workers=2')
    assert train(config, data, tmp_path / 'parts', '--epochs', '1', options=options) == 0
    assert_same_weights(whole, tmp_path / 'parts')


def test_demo_draws_reconstructions(run, data, tmp_path):
    assert run_verb('demo', [str(run), str(data / 'val'), '--out-dir', str(tmp_path / 'demo')]) == 0
    drawn = [Image.open(file) for file in sorted((tmp_path / 'demo').glob('*.jpg'))]
    assert len(drawn) == 5
    assert all(image.width > 4 * 224 for image in drawn)
    entries = json.loads(next((tmp_path / 'demo').glob('*.json')).read_text())
    assert [entry['hidden'] for entry in entries] == [0.75] * 5


HEADS = {
    'configs/classification/convnextv2_a.py': {'model.mixup': None},
    'configs/det/mask_rcnn_convnext_t_coco.py': {'model.backbone.version': 2},
    'configs/seg/upernet_convnextv2_t_ade20k.py': {},
}


@pytest.mark.parametrize('path', HEADS)
def test_every_head_starts_from_the_encoder(run, path):
    cfg = read_config(path, HEADS[path], needs_data=False)
    cfg.model.backbone.arch = dict(depths=[1, 1, 1, 1], dims=[4, 8, 12, 16])
    for part in (cfg.model.get('neck'), cfg.model.get('decode_head')):
        if part is not None:
            part.in_channels = [4, 8, 12, 16]
    if cfg.model.get('auxiliary_head') is not None:
        cfg.model.auxiliary_head.in_channels = 12
    model = build_model(cfg)
    line = load_pretrained(model, find(run))
    trained = torch.load(run / 'epoch_3.pth', weights_only=True)['state_dict']
    state = model.state_dict()
    names = [name for name in trained if name.startswith('backbone.')]
    assert len(names) > 40
    for name in names:
        assert torch.equal(state[name], trained[name]), name
    assert 'fresh: ' in line and 'left over in the file: ' in line


def test_weights_of_v1_do_not_fit_an_encoder_of_v2(config, data, run, tmp_path, error):
    v1 = tmp_path / 'v1.py'
    v1.write_text(CONFIG.replace('decoder_dim=8)', "decoder_dim=8)\nmodel['backbone'].update(version=1)"))
    assert train(v1, data, tmp_path / 'v1', '--epochs', '1') == 0
    assert train(config, data, tmp_path / 'v2', '--pretrained', str(tmp_path / 'v1')) == 2
    assert 'does not fit this backbone: its backbone is' in error()
    assert not (tmp_path / 'v2').exists()


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_two_processes_train_as_one(whole, config, data, tmp_path):
    """Both learn from the same images and masks, and validate each image once."""

    def run_rank(rank: int) -> int:
        own = (*PLAIN, 'train_dataloader.batch_size=4')
        return train(config, data, tmp_path / 'two', '--epochs', '1', '--launcher', 'pytorch', options=own)

    ended = processes.run(run_rank, tmp_path)
    assert [one.code for one in ended] == [0, 0], ended[0].err
    assert_same_weights(whole, tmp_path / 'two')
    one, two = (read_scalars(run) for run in (whole, tmp_path / 'two'))
    assert two['val/raw/images'] == one['val/raw/images'] == [(1, 5)]
    name = 'val/raw/reconstruction_loss'
    assert np.allclose(*(np.array(part[name])[:, 1] for part in (one, two)), rtol=1e-5)


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_a_killed_run_is_resumed_to_the_same_end(run, config, data, tmp_path):
    """Killed at once, without a chance to save: it goes on from the last checkpoint."""

    def train_and_die() -> None:
        from convnext_dense.engine.train_loop import TrainLoop

        steps = TrainLoop.run_iter

        def kill(self, *args):
            if self.runner.iter == 5:
                os.kill(os.getpid(), signal.SIGKILL)
            return steps(self, *args)

        TrainLoop.run_iter = kill
        train(config, data, tmp_path / 'killed')

    pid = os.fork()
    if not pid:
        train_and_die()
        os._exit(1)
    _, status = os.waitpid(pid, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert (tmp_path / 'killed' / 'epoch_1.pth').exists()
    assert train(config, data, tmp_path / 'killed', '--resume') == 0
    assert differences(outcome(run), outcome(tmp_path / 'killed')) == []


@pytest.mark.parametrize(
    ('flags', 'message'),
    [
        (('--classes', 'car'), '--classes car: for pretraining labels play no role: leave it out'),
        (('--balance',), '--balance is for data with classes, and for pretraining labels play no role'),
        (('--tile', '64'), '--tile 64 is for detection and segmentation: leave it out for pretraining'),
        (('--image-size', '100', '100'), 'images of 100 x 100 cannot be cut into patches of 32 x 32'),
    ],
)
def test_what_makes_no_sense_is_refused(config, data, tmp_path, error, flags, message):
    assert run_verb('train', [str(config), '--data', str(data), '--work-dir', str(tmp_path / 'run'), *flags]) == 2
    assert message in error()
    assert not (tmp_path / 'run').exists()


def test_two_runs_are_compared_by_their_loss_in_tests(run, tmp_path, error):
    other = tmp_path / 'other'
    other.mkdir()
    for file in run.glob('*.py'):
        shutil.copy(file, other)
    assert run_verb('compare', [str(run), str(other)]) == 2
    line = error()
    assert f'{run} is a run for pretraining, of which there are no records to compare: `' in line
    assert f' {run}` measures the reconstruction loss on unseen images; run it for both' in line


def test_find_lr_runs_to_its_end(config, data, tmp_path, capsys):
    argv = [str(config), '--data', str(data), '--work-dir', str(tmp_path), '--steps', '24']
    assert run_verb('find_lr', [*argv, '--cfg-options', *OPTIONS]) == 0
    assert 'total batch 8' in capsys.readouterr().out
    losses = json.loads((tmp_path / 'find_lr' / 'find_lr.json').read_text())['losses']
    assert len(losses) > 5 and losses[0] == pytest.approx(1.0, abs=0.05)  # of patches painted in their mean


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_a_study_takes_the_lowest_loss(config, data, tmp_path, capsys):
    argv = [str(config), '--data', str(data), '--work-dir', str(tmp_path), '--trials', '2', '--epochs', '1']
    assert run_verb('tune', [*argv, '--cfg-options', *OPTIONS]) == 0
    out = capsys.readouterr().out
    assert '2 trials for the lowest raw/reconstruction_loss: lr 0.001 to 0.1, weight_decay' in out
    assert 'drop_path (pre-training has none; --only names it)' in out
    found = [read_scalars(tmp_path / f'trial_00{number}')['val/raw/reconstruction_loss'][-1][1] for number in (0, 1)]
    assert f'best: trial_00{int(np.argmin(found))}, raw/reconstruction_loss {min(found):.4f}' in out


def test_the_best_of_a_curve_is_the_lowest_loss(run, capsys):
    assert run_verb('plot_log', [str(run)]) == 0
    (row,) = [line for line in capsys.readouterr().out.splitlines() if 'reconstruction_loss' in line]
    lowest = min(value for _, value in read_scalars(run)['val/raw/reconstruction_loss'])
    assert f'{lowest:.4f}  epoch' in row
