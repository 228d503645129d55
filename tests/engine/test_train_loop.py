"""The train loop: its contract with hooks, what it keeps in memory, hooks that end the run early, accumulation."""

import json
import math
import os
import re
import shutil
import signal
import weakref
from pathlib import Path

import pytest
import torch
from mmengine.hooks import EarlyStoppingHook, Hook

from convnext_dense.data import ImageFolder
from convnext_dense.engine import propagate_failures
from convnext_dense.engine.csv_log import read_scalars
from convnext_dense.errors import Stopped, UserError
from convnext_dense.registry import DATASETS
from tests.helpers import processes, toy
from tests.helpers.run_tool import ATTO, train_config


class Recorder(Hook):
    """Reads batches and outputs as mmengine documents them, with its own signatures."""

    def __init__(self) -> None:
        self.before: list[torch.Tensor] = []
        self.after: list[torch.Tensor] = []
        self.losses: list[float] = []
        self.paths: list[list[list[str]]] = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.before.append(data_batch['inputs'].clone())

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.after.append(data_batch['inputs'].clone())
        self.losses.append(outputs['loss'].item())
        self.paths.append(runner.train_loop.last_step.paths)


@pytest.mark.parametrize('accumulation', [1, 2, 4])
def test_hooks_get_the_batch_and_the_losses(tmp_path, accumulation):
    recorder = Recorder()
    run = toy.runner(tmp_path, {}, total=2 * accumulation, hooks=[recorder])
    run.train()
    batches = toy.Vectors({}).inputs.split(2)
    assert len(recorder.before) == len(recorder.after) == len(batches) // accumulation
    for step, (first, last) in enumerate(zip(recorder.before, recorder.after, strict=True)):
        assert torch.equal(first, batches[step * accumulation])
        assert torch.equal(last, batches[(step + 1) * accumulation - 1])
    names = [[f'{i}.jpg', f'{i + 1}.jpg'] for i in range(0, 16, 2)]
    steps = [names[i : i + accumulation] for i in range(0, len(names), accumulation)]
    assert recorder.paths == steps
    assert recorder.losses == [value for _, value in read_scalars(tmp_path)['train/loss']]  # the mean of all batches


@pytest.mark.parametrize(('fault', 'finite'), [('loss', False), ('gradient', True)])
def test_hooks_get_the_outputs_of_a_skipped_step_as_they_are(tmp_path, fault, finite):
    recorder = Recorder()
    toy.runner(tmp_path, {4: fault}, total=4, skip=1, hooks=[recorder]).train()
    assert [math.isfinite(loss) for loss in recorder.losses] == [True, finite, True, True]
    logged = [loss for _, loss in read_scalars(tmp_path)['train/loss']]  # over a window of one step that was taken
    assert logged == [recorder.losses[step] for step in (0, 0, 2, 3)]


class Batch(dict):
    """A batch that can be counted."""


def test_batches_of_a_step_are_not_kept_in_memory(tmp_path, monkeypatch):
    alive: weakref.WeakSet = weakref.WeakSet()
    most: list[int] = []

    def collate(samples, original=toy.collate):
        batch = Batch(original(samples))
        alive.add(batch)
        return batch

    def train_step(self, data, optim_wrapper, original=toy.Toy.train_step):
        most.append(len(alive))
        return original(self, data, optim_wrapper)

    monkeypatch.setattr(Batch, '__hash__', object.__hash__, raising=False)
    monkeypatch.setattr(toy, 'collate', collate)
    monkeypatch.setattr(toy.Toy, 'train_step', train_step)
    toy.runner(tmp_path, {}, total=16).train()
    assert len(most) == 8
    assert max(most) == 1


# ------------------------------------------------------------------ stop_training

SCORES = (1.0, 0.5, 0.5, 9.0, 9.0)  # no better in the second and third validation
BY_EPOCHS = dict(epochs=5, scores=SCORES, save_interval=2)
BY_STEPS = dict(steps=20, scores=SCORES, val_interval=3, save_interval=4)


def patient() -> EarlyStoppingHook:
    return EarlyStoppingHook(monitor='raw/score', rule='greater', patience=2)


def log_of(run) -> str:
    return next(Path(run.log_dir).glob('*.log')).read_text()


@pytest.mark.parametrize(
    ('length', 'steps', 'total', 'last', 'files'),
    [
        (BY_EPOCHS, 24, 40, 'epoch_3.pth', {'epoch_2.pth', 'epoch_3.pth'}),
        (BY_STEPS, 9, 20, 'iter_9.pth', {'iter_4.pth', 'iter_8.pth', 'iter_9.pth'}),
    ],
)
def test_early_stopping_ends_the_run_for_good(tmp_path, length, steps, total, last, files):
    run = toy.runner(tmp_path, {}, hooks=[patient()], **length)
    run.train()
    assert run.iter == steps
    assert re.search(
        rf'training ends early, after .*step {steps} of {total}\)?: a hook has set stop_training', log_of(run)
    )
    assert {path.name for path in tmp_path.glob('*.pth')} == files
    assert (tmp_path / 'last_checkpoint').read_text() == str(tmp_path / last)
    content = torch.load(tmp_path / last, weights_only=True)
    assert content['meta']['iter'] == steps
    assert content['meta']['epoch'] == steps // 8
    assert all(torch.equal(value, run.model.state_dict()[name]) for name, value in content['state_dict'].items())
    assert json.loads((tmp_path / 'checkpoints.json').read_text())[last]['stopped_early'] is True

    again = toy.runner(tmp_path, {}, hooks=[patient()], resume=True, **length)
    again.train()
    assert again.iter == steps
    assert 'steps done, the run was finished' in log_of(again)
    assert len(run.message_hub.get_scalar('val/raw/score').data[0]) == 3
    assert 'val/raw/score' not in again.message_hub.log_scalars
    assert {path.name for path in tmp_path.glob('*.pth')} == files


class StopAt(Hook):
    """Sets ``stop_training`` after a step, as a hook of somebody's may."""

    def __init__(self, step: int) -> None:
        self.step = step

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.step:
            runner.train_loop.stop_training = True


@pytest.mark.parametrize(('length', 'step', 'end'), [(BY_EPOCHS, 11, 16), (BY_STEPS, 5, 5)])
def test_any_hook_may_end_the_run_and_the_end_is_validated(tmp_path, length, step, end):
    run = toy.runner(tmp_path, {}, hooks=[StopAt(step)], **length)
    run.train()
    assert run.iter == end
    validations, _ = run.message_hub.get_scalar('val/raw/score').data
    assert len(validations) == 2  # after the first epoch or step 3, and at the end
    assert (tmp_path / ('epoch_2.pth' if 'epochs' in length else 'iter_5.pth')).is_file()


def test_a_run_whose_last_step_was_stopped_early_goes_on_where_its_end_is_not_noted(tmp_path):
    """A checkpoint alone, without the manifest beside it, does not tell."""
    toy.runner(tmp_path / 'a', {}, hooks=[patient()], **BY_EPOCHS).train()
    (tmp_path / 'b').mkdir()
    shutil.copy(tmp_path / 'a' / 'epoch_3.pth', tmp_path / 'b')
    run = toy.runner(tmp_path / 'b', {}, resume=True, **BY_EPOCHS)
    run.train()
    assert run.iter == 40


# ------------------------------------------------------------------ when it validates


@pytest.mark.parametrize(
    ('length', 'settings', 'validated'),
    [
        (dict(epochs=6), dict(val_begin=3), [24, 32, 40, 48]),
        (dict(epochs=6), dict(val_begin=2, val_interval=4), [32, 48]),
        (dict(epochs=6), dict(val_begin=9), []),
        (dict(epochs=6), dict(val_interval=3, dynamic_intervals=[(4, 1)]), [24, 32, 40, 48]),
        (dict(steps=12), dict(val_begin=6, val_interval=3), [6, 9, 12]),
        (dict(steps=12), dict(val_interval=6, dynamic_intervals=[(9, 2)]), [6, 8, 10, 12]),
    ],
)
def test_validation_begins_and_changes_its_interval_as_in_mmengine(tmp_path, length, settings, validated):
    run = toy.runner(tmp_path, {}, scores=(1.0,) * 9, **length)
    run._train_loop.update(settings)
    steps: list[int] = []
    run.register_hook(Validations(steps))
    run.train()
    assert steps == validated


class Validations(Hook):
    def __init__(self, steps: list[int]) -> None:
        self.steps = steps

    def before_val(self, runner):
        self.steps.append(runner.iter)


def test_a_sampler_that_can_not_go_on_and_an_interval_of_zero_are_refused(tmp_path):
    run = toy.runner(tmp_path / 'a', {})
    run._train_dataloader['sampler'] = dict(type='DefaultSampler', shuffle=True)
    with pytest.raises(UserError, match=r'train_dataloader.sampler: DefaultSampler does not go on where it was'):
        run.train()
    run = toy.runner(tmp_path / 'b', {}, val_interval=0)
    with pytest.raises(UserError, match=r'train_cfg.val_interval 0: take 1 or more'):
        run.train()


def test_two_processes_end_early_together(tmp_path):
    def run(rank: int) -> int:
        torch.set_num_threads(1)
        with propagate_failures():
            one = toy.runner(tmp_path / 'run', {}, hooks=[patient()], launcher='pytorch', **BY_STEPS)
            one.train()
            return one.iter

    ended = processes.run(run, tmp_path)
    assert [one.code for one in ended] == [9, 9], ended
    assert {path.name for path in (tmp_path / 'run').glob('*.pth')} >= {'iter_9.pth'}


def test_two_processes_stop_after_the_same_step_and_log_the_losses_alone(tmp_path):
    """A signal for one of them: the request shares a reduction with the losses, and must not change them."""

    def run(rank: int) -> int:
        torch.set_num_threads(1)
        faults = {9: lambda: os.kill(os.getpid(), signal.SIGTERM)}  # drawn by process 1 alone, in step 3
        one = toy.runner(tmp_path / 'two', faults, total=4, launcher='pytorch')
        try:
            with propagate_failures():
                one.train()
        except Stopped:
            return one.iter
        return 0

    ended = processes.run(run, tmp_path)
    assert [one.code for one in ended] == [3, 3], ended
    assert (tmp_path / 'two' / 'epoch_0_iter_3.pth').is_file()
    toy.runner(tmp_path / 'one', {}, total=4).train()
    two, one = (dict(read_scalars(tmp_path / name)['train/loss']) for name in ('two', 'one'))
    assert two == pytest.approx({step: one[step] for step in (1, 2, 3)}, rel=1e-5)


@DATASETS.register_module(force=True)
class DoubleImageFolder(ImageFolder):
    def __getitem__(self, key):
        sample = super().__getitem__(key)
        return {**sample, 'image': sample['image'].double()}


@pytest.fixture
def _double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def checkpoint(data: Path, work_dir: Path, batch: int) -> dict:
    options = {
        'train_dataloader.batch_size': batch,
        'train_dataloader.dataset.type': 'convnext_dense.DoubleImageFolder',
        'train_cfg.total_batch_size': 32,
        'train_cfg.max_epochs': 4,
        'default_hooks.ema.momentum': 0.3,
    }
    train_config(ATTO, data, work_dir, options)
    return torch.load(work_dir / 'epoch_4.pth', weights_only=True)


@pytest.mark.usefixtures('_double')
def test_four_times_eight_is_thirty_two(image_folder, tmp_path):
    one, four = (checkpoint(image_folder, tmp_path / str(batch), batch) for batch in (32, 8))
    assert one['meta']['iter'] == four['meta']['iter'] == 4  # 48 images: one step an epoch
    for kind in ('state_dict', 'ema_state_dict'):
        for name, tensor in one[kind].items():
            assert tensor.dtype == torch.float64
            assert torch.allclose(tensor, four[kind][name], rtol=0, atol=1e-6), (kind, name)
    moved = (one['state_dict']['head.weight'] - one['ema_state_dict']['head.weight']).abs().max()
    assert moved > 1e-4  # the average is not the weights, so both were compared
