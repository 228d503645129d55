"""A frozen backbone from the first command to the last: a run that is cut, its weights, and tests of it."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from convnext_dense.cli import run_verb
from convnext_dense.engine.csv_log import read_scalars
from convnext_dense.inference import load
from tests.conftest import write_image_folder
from tests.e2e.test_dense import COMMON, SEG, masks  # noqa: F401 - a fixture
from tests.e2e.test_dense import SMALL as SMALL_DENSE
from tests.helpers.run_tool import ROOT
from tests.helpers.small_run import BY_EPOCH, differences, outcome, train, write_config

LINEAR = f"""
_base_ = '{ROOT / 'configs/seg/linear_dinov3_t_ade20k.py'}'
model = dict(
    backbone=dict(arch=dict(_delete_=True, depths=[1, 1, 1, 1], dims=[4, 8, 12, 16])),
    decode_head=dict(in_channels=16),
)
default_hooks = dict(ema=dict(type='convnext_dense.EMA', momentum=0.2))
"""


@pytest.fixture(scope='module')
def config(tmp_path_factory) -> Path:
    return write_config(tmp_path_factory.mktemp('config') / 'by_epoch.py', BY_EPOCH)


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> Path:
    return write_image_folder(tmp_path_factory.mktemp('data') / 'images', train=8, val=2)


@pytest.fixture(scope='module')
def weights(config, data, tmp_path_factory) -> Path:
    work_dir = tmp_path_factory.mktemp('weights') / 'run'
    assert train(config, data, work_dir, '--epochs', '1') == 0
    return work_dir / 'epoch_1.pth'


@pytest.fixture(scope='module')
def frozen(config, data, weights, tmp_path_factory) -> Path:
    """A run with a frozen backbone, which has drop path and Mixup in its config."""
    work_dir = tmp_path_factory.mktemp('frozen') / 'run'
    assert train(config, data, work_dir, '--freeze', 'backbone', '--pretrained', str(weights)) == 0
    return work_dir


def test_only_the_head_has_moved_in_raw_and_averaged_weights(frozen, weights):
    before = torch.load(weights, weights_only=True)['state_dict']
    after = torch.load(frozen / 'epoch_3.pth', weights_only=True)
    for kind in ('state_dict', 'ema_state_dict'):
        for name, tensor in after[kind].items():
            assert torch.equal(tensor, before[name]) == name.startswith('backbone.'), (kind, name)
    assert len(after['optimizer']['state']) == 2  # weight and bias of the head
    log = next(frozen.glob('*/*.log')).read_text()
    assert f'backbone frozen: 51 of {sum(t.numel() for t in before.values()):,} parameters train (head)' in log


def test_a_cut_run_ends_as_the_uncut_one_bit_for_bit(frozen, config, data, tmp_path, capsys):
    work_dir = tmp_path / 'run'
    shutil.copytree(frozen, work_dir)
    (work_dir / 'epoch_3.pth').unlink()
    assert train(config, data, work_dir, '--resume') == 2
    assert (
        'error: the run had backbone frozen and now has no part: resume with its own --freeze and '
        'model.backbone.frozen_stages; to change it, start a new run from its weights with --pretrained\n'
    ) in capsys.readouterr().err
    assert train(config, data, work_dir, '--resume', '--freeze', 'backbone') == 0
    assert differences(outcome(frozen), outcome(work_dir)) == []


def test_a_run_that_trained_all_is_not_resumed_frozen_but_gives_its_weights(config, data, weights, tmp_path, capsys):
    work_dir = tmp_path / 'run'
    shutil.copytree(weights.parent, work_dir)
    assert train(config, data, work_dir, '--resume', '--freeze', 'backbone', '--epochs', '3') == 2
    assert 'the run had no part frozen and now has backbone: resume with its own --freeze' in capsys.readouterr().err


def test_random_weights_are_not_frozen(config, data, tmp_path, capsys):
    for arguments in ((), ('--pretrained', 'none')):
        assert train(config, data, tmp_path / 'run', '--freeze', 'backbone', *arguments) == 2
        error = capsys.readouterr().err
        assert error.count('\n') == 1
        assert 'error: the backbone is frozen and starts from random weights, which never learn' in error
    assert train(config, data, tmp_path / 'run', '--freeze', 'neck') == 2
    assert (
        "--freeze: invalid choice: 'neck' (choose from 'stem', '1', '2', '3', '4', 'backbone')"
        in capsys.readouterr().err
    )


def test_a_frozen_run_is_tested_by_the_plain_config_too(frozen, config, data, tmp_path):
    numbers = []
    for model in ([str(frozen)], [str(config), str(frozen)]):
        out = tmp_path / 'metrics.json'
        options = ['--cfg-options', 'test_dataloader.dataset.transform.input_size=32'] if len(model) > 1 else []
        assert run_verb('test', [*model, '--data', str(data), '--out', str(out), *options]) == 0
        numbers.append(json.loads(out.read_text())['metrics'])
    assert numbers[0] == numbers[1]
    assert numbers[0]['raw/top1'] == read_scalars(frozen)['val/raw/top1'][-1][1]


# -- a linear head for segmentation

OPTIONS = [*SMALL_DENSE[SEG], *COMMON[4:], 'test_dataloader.num_workers=0']


@pytest.fixture(scope='module')
def linear(masks, weights, tmp_path_factory) -> tuple[Path, Path]:  # noqa: F811
    """A config with a linear head and frozen backbone, and a run of it."""
    folder = tmp_path_factory.mktemp('linear')
    config = write_config(folder / 'linear.py', LINEAR)
    argv = [str(config), '--data', str(masks), '--work-dir', str(folder / 'run'), '--pretrained', str(weights)]
    assert run_verb('train', [*argv, '--iters', '6', '--cfg-options', *OPTIONS]) == 0
    return config, folder / 'run'


def test_a_linear_head_learns_on_frozen_features(linear, weights):
    _, work_dir = linear
    before = torch.load(weights, weights_only=True)['state_dict']
    content = torch.load(work_dir / 'iter_6.pth', weights_only=True)
    state = content['state_dict']
    assert state['decode_head.conv_seg.weight'].shape == (5, 16, 1, 1)
    kept = {name for name, tensor in state.items() if name in before and torch.equal(tensor, before[name])}
    moved = {name for name in state.keys() - kept if name.startswith('backbone.')}
    assert moved == {'backbone.norm3.weight', 'backbone.norm3.bias'}
    assert all(0 < loss < 10 for _, loss in read_scalars(work_dir)['train/loss'])
    log = next(work_dir.glob('*/*.log')).read_text()
    assert 'parameters train (backbone.norm3, decode_head)' in log


def test_a_linear_head_is_tested_with_views_and_predicts_and_is_exported(linear, masks, tmp_path, capsys):  # noqa: F811
    _, work_dir = linear
    out = tmp_path / 'metrics.json'
    assert run_verb('test', [str(work_dir), '--out', str(out)]) == 0
    assert json.loads(out.read_text())['metrics']['raw/mIoU'] == read_scalars(work_dir)['val/raw/mIoU'][-1][1]
    assert run_verb('test', [str(work_dir), '--tta', '--out', str(tmp_path / 'tta.json')]) == 0
    image = next((masks / 'images' / 'validation').iterdir())
    predict = load(work_dir, device='cpu')
    assert predict(image).labels.max() < 6 and predict.classes.names[0] == 'red'
    capsys.readouterr()
    assert run_verb('export_onnx', [str(work_dir), str(tmp_path / 'x.onnx'), '--shape', '64', '64', '--check']) == 0
