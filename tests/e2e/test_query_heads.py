"""Heads with queries in three tasks: layer decay, frozen backbone, averaged weights; panoptic runs that are killed, or
have two processes."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
import torch

from convnext_dense.cli import run_verb
from convnext_dense.engine.csv_log import read_scalars
from convnext_dense.engine.train_loop import TrainLoop
from tests.helpers import coco_files, processes
from tests.helpers.mask_folder import write_mask_folder
from tests.helpers.other_heads import write_head
from tests.helpers.panoptic_heads import write_panoptic_data, write_panoptic_head
from tests.helpers.small_run import differences

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

TASKS = {'mask2former': 'mask_AP', 'mask2former_seg': 'mIoU', 'panoptic': 'PQ'}
RUN = """
optim_wrapper.update(constructor='convnext_dense.LayerDecayConstructor',
    paramwise_cfg=dict(decay_rate=0.5, scheme='layer_wise'))
train_cfg = dict(_delete_=True, type='convnext_dense.TrainLoop', max_iters=4, total_batch_size=2, val_interval=4)
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, by_epoch=False, begin=0, end=4)]
log_processor = dict(by_epoch=False, window_size=1)
default_hooks = dict(logger=dict(log_metric_by_epoch=False, interval=1),
    checkpoint=dict(interval=1, keep=9, best=None), ema=dict(type='convnext_dense.EMA', momentum=0.2))
"""


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> dict[str, str]:
    root = tmp_path_factory.mktemp('data')
    for split in ('train', 'val'):
        coco_files.write(root / 'coco', coco_files.content(), split)
    masks, panoptic = write_mask_folder(root / 'masks'), write_panoptic_data(root / 'panoptic', val=5)
    return {'mask2former': str(root / 'coco'), 'mask2former_seg': str(masks), 'panoptic': str(panoptic)}


@pytest.fixture(scope='module')
def configs(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp('configs')
    written = {name: write_head(name, folder) for name in ('mask2former', 'mask2former_seg')}
    written['panoptic'] = write_panoptic_head('mask2former', folder)
    for path in written.values():
        path.write_text(path.read_text() + RUN)
    return {name: str(path) for name, path in written.items()}


@pytest.fixture(scope='module')
def runs(configs, data, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp('runs')
    for name, config in configs.items():
        assert run_verb('train', [config, '--data', data[name], '--work-dir', str(folder / name)]) == 0
    return {name: folder / name for name in configs}


def content(run: Path, step: int) -> dict:
    return torch.load(run / f'iter_{step}.pth', weights_only=True)


def metrics_of(file: Path) -> dict[str, float]:
    return json.loads(file.read_text())['metrics']


@pytest.mark.parametrize('name', TASKS)
def test_averaged_weights_are_saved_and_evaluated(name, configs, runs, data, tmp_path):
    run = runs[name]
    before, after = content(run, 3)['ema_state_dict'], content(run, 4)
    assert before.keys() == after['ema_state_dict'].keys() == after['state_dict'].keys()
    for parameter, average in after['ema_state_dict'].items():
        raw = after['state_dict'][parameter]
        expected = 0.8 * before[parameter] + 0.2 * raw if raw.is_floating_point() else raw
        torch.testing.assert_close(average, expected, rtol=1e-5, atol=1e-7, msg=parameter)
    assert run_verb('test', [str(run), '--data', data[name]]) == 0
    both = metrics_of(run / 'metrics.json')
    assert f'val/ema/{TASKS[name]}' in read_scalars(run)
    alone, file = {key: value for key, value in after.items() if key != 'ema_state_dict'}, tmp_path / 'alone.json'
    torch.save({**alone, 'state_dict': after['ema_state_dict']}, tmp_path / 'alone.pth')
    argv = [configs[name], str(tmp_path / 'alone.pth'), '--data', data[name], '--out', str(file)]
    assert run_verb('test', argv) == 0
    for metric, value in metrics_of(file).items():
        if metric.startswith('raw/') and 'time' not in metric:
            assert both[metric.replace('raw/', 'ema/')] == pytest.approx(value, nan_ok=True), metric


@pytest.mark.parametrize('name', TASKS)
def test_a_frozen_backbone_stays_and_layers_have_their_lr(name, configs, runs, data, tmp_path):
    """Of depths (1, 1, 1, 1) the layers are the stem with its stage, and a downsample layer with its stage each."""
    groups = content(runs[name], 4)['optimizer']['param_groups']
    scales = {group['layer_id']: group['lr_scale'] for group in groups}
    assert scales == {layer: 0.5 ** (max(scales) - layer) for layer in range(max(scales) + 1)}

    weights = runs[name] / 'iter_4.pth'
    argv = [configs[name], '--data', data[name], '--work-dir', str(tmp_path / 'run'), '--freeze', 'backbone']
    assert run_verb('train', [*argv, '--pretrained', str(weights)]) == 0
    start, end = torch.load(weights, weights_only=True)['state_dict'], content(tmp_path / 'run', 4)
    for kind in ('state_dict', 'ema_state_dict'):
        for parameter, tensor in end[kind].items():
            frozen = parameter.startswith('backbone.') and not parameter.startswith('backbone.norm')
            assert torch.equal(tensor, start[parameter]) == frozen or tensor.numel() < 8, (kind, parameter)
    assert {group['layer_id'] for group in end['optimizer']['param_groups']} == {max(scales)}
    assert run_verb('train', [*argv, '--resume']) == 0  # it is at its end


def test_a_killed_panoptic_run_goes_on_to_the_last_bit(configs, runs, data, tmp_path):
    argv = [configs['panoptic'], '--data', data['panoptic'], '--work-dir', str(tmp_path / 'run'), '--resume', 'auto']

    def killed_in_the_third_step(rank: int) -> int:
        step = TrainLoop.run_iter

        def run_iter(loop, *arguments):
            if loop.iter == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            return step(loop, *arguments)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(TrainLoop, 'run_iter', run_iter)
            return run_verb('train', argv)

    (ended,) = processes.run(killed_in_the_third_step, tmp_path, processes=1)
    assert ended.code == -signal.SIGKILL, ended
    assert len(read_scalars(tmp_path / 'run')['train/loss']) == 2
    assert run_verb('train', argv) == 0
    parts = ('state_dict', 'ema_state_dict', 'optimizer', 'param_schedulers')
    whole, cut = ({part: content(run, 4)[part] for part in parts} for run in (runs['panoptic'], tmp_path / 'run'))
    assert not differences(whole, cut)
    logs = [read_scalars(run) for run in (runs['panoptic'], tmp_path / 'run')]
    for key in ('train/loss', 'val/raw/PQ', 'val/ema/PQ'):
        assert logs[0][key] == logs[1][key]


def test_two_processes_measure_the_panoptic_quality_of_one_and_resume_to_the_last_bit(data, tmp_path):
    """On five images, of which one process has one more; the model learns the stuff in a few epochs."""
    config = str(write_panoptic_head('panoptic_fpn', tmp_path))

    def train(run: Path, *arguments: str) -> None:
        argv = [config, '--data', data['panoptic'], '--work-dir', str(run), '--launcher', 'pytorch', '--epochs', '24']
        options = [
            'train_dataloader.batch_size=1',
            'train_cfg.val_interval=24',
            'default_hooks.checkpoint.interval=22',
        ]
        options += ['default_hooks.checkpoint.keep=2', 'default_hooks.checkpoint.interval=22']

        def one(rank: int) -> int:
            torch.set_num_threads(1)
            return run_verb('train', [*argv, *arguments, '--cfg-options', *options])

        ended = processes.run(one, tmp_path)
        assert [one.code for one in ended] == [0, 0], ended

    whole = tmp_path / 'whole'
    train(whole)
    cut = shutil.copytree(whole, tmp_path / 'cut')
    (cut / 'epoch_24.pth').unlink()
    train(cut, '--resume')
    one, other = (torch.load(run / 'epoch_24.pth', weights_only=True) for run in (whole, cut))
    for part in ('state_dict', 'optimizer'):
        assert not differences({part: one[part]}, {part: other[part]})
    ((_, measured),) = read_scalars(whole)['val/raw/PQ']
    assert read_scalars(cut)['val/raw/PQ'][-1][1] == measured > 3, 'it finds some of the stuff'
    assert run_verb('test', [str(whole), '--data', data['panoptic']]) == 0
    assert metrics_of(whole / 'metrics.json')['raw/PQ'] == pytest.approx(measured)
