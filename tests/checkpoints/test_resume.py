"""A run that was cut goes on exactly as it would have, or is refused."""

import json
import os
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from convnext_dense.checkpoints import disk, lock
from convnext_dense.engine import EMA, Checkpoints, ValLoop
from convnext_dense.engine.csv_log import read_scalars
from tests.conftest import write_image_folder
from tests.helpers.small_run import BY_EPOCH, BY_STEP, differences, outcome, train, write_config

TWO_WORKERS = ('train_dataloader.num_workers=2',)


class Killed(BaseException):
    """As near as one process comes to kill -9; tests/test_faults.py has the real one."""


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> Path:
    return write_image_folder(tmp_path_factory.mktemp('data') / 'images', train=8, val=2)


@pytest.fixture(scope='module')
def by_epoch(tmp_path_factory) -> Path:
    return write_config(tmp_path_factory.mktemp('config') / 'by_epoch.py', BY_EPOCH)


@pytest.fixture(scope='module')
def by_step(tmp_path_factory) -> Path:
    return write_config(tmp_path_factory.mktemp('config') / 'by_step.py', BY_STEP)


@pytest.fixture(scope='module')
def whole(by_epoch, data, tmp_path_factory) -> Path:
    """A run that nothing cut."""
    work_dir = tmp_path_factory.mktemp('runs') / 'whole'
    assert train(by_epoch, data, work_dir) == 0
    return work_dir


@pytest.fixture
def in_step(monkeypatch):
    """What happens inside a step, after the weights have moved."""

    def set_(step: int, action) -> None:
        def after_train_iter(self, runner, *args, original=EMA.after_train_iter, **kwargs):
            original(self, runner, *args, **kwargs)
            if runner.iter + 1 == step:
                monkeypatch.undo()
                action()

        monkeypatch.setattr(EMA, 'after_train_iter', after_train_iter)

    return set_


def kill() -> None:
    raise Killed


def send(number: int):
    return lambda: os.kill(os.getpid(), number)


def pths(work_dir: Path) -> set[str]:
    return {path.name for path in work_dir.glob('*.pth')}


def test_a_run_by_epochs_goes_on_exactly(by_epoch, data, whole, tmp_path, in_step, monkeypatch, capsys):
    """Stopped inside an epoch, inside a validation, and killed inside a step; with workers and without."""
    work_dir = tmp_path / 'cut'
    in_step(4, send(signal.SIGTERM))
    assert train(by_epoch, data, work_dir) == 143
    said = capsys.readouterr()
    assert pths(work_dir) == {'epoch_1.pth', 'epoch_1_iter_4.pth', 'best.pth'}
    assert f'saved as {work_dir}/epoch_1_iter_4.pth' in said.out
    again = said.err.split('go on with: ')[1].split()
    assert again[-1] == '--resume'
    assert str(work_dir) in again

    def run(self, original=ValLoop.run):
        monkeypatch.undo()
        os.kill(os.getpid(), signal.SIGINT)
        return original(self)

    monkeypatch.setattr(ValLoop, 'run', run)  # the one after epoch 2
    assert train(by_epoch, data, work_dir, '--resume', options=TWO_WORKERS) == 130
    assert pths(work_dir) == {'epoch_1_iter_4.pth', 'epoch_2.pth', 'best.pth'}
    assert (work_dir / 'last_checkpoint').read_text() == str(work_dir / 'epoch_2.pth')

    in_step(8, kill)
    with pytest.raises(Killed):
        train(by_epoch, data, work_dir, '--resume')
    assert train(by_epoch, data, work_dir, '--resume', 'auto') == 0
    assert not differences(outcome(whole), outcome(work_dir))
    assert pths(work_dir) == pths(whole) == {'epoch_2.pth', 'epoch_3.pth', 'best.pth'}


def test_a_run_by_steps_goes_on_exactly(by_step, data, tmp_path, in_step):
    whole, cut = tmp_path / 'whole', tmp_path / 'cut'
    assert train(by_step, data, whole, options=TWO_WORKERS) == 0
    in_step(4, send(signal.SIGUSR1))  # at the end of step 4 it would be saved and validated
    assert train(by_step, data, cut) == 128 + signal.SIGUSR1
    assert pths(cut) == {'iter_2.pth', 'iter_4.pth'}
    in_step(7, kill)
    with pytest.raises(Killed):
        train(by_step, data, cut, '--resume', options=TWO_WORKERS)
    in_step(7, send(signal.SIGTERM))
    assert train(by_step, data, cut, '--resume') == 143
    assert pths(cut) == {'iter_6.pth', 'iter_7.pth', 'best.pth'}
    assert train(by_step, data, cut, '--resume') == 0
    assert not differences(outcome(whole), outcome(cut))


def copy(work_dir: Path, to: Path, *without: str) -> Path:
    shutil.copytree(work_dir, to)
    for name in without:
        (to / name).unlink()
    return to


def test_a_damaged_newest_is_passed_over_in_a_work_dir_that_was_moved(by_epoch, data, whole, tmp_path, capsys):
    moved = copy(whole, tmp_path / 'moved')
    newest = bytearray((moved / 'epoch_3.pth').read_bytes())
    newest[len(newest) // 2] ^= 1
    (moved / 'epoch_3.pth').write_bytes(newest)
    (moved / '.123.epoch_4.pth').write_bytes(b'half')
    (moved / '.123.checkpoints.json').write_text('{')
    assert (moved / 'last_checkpoint').read_text() == str(whole / 'epoch_3.pth')  # it is not there any more
    assert train(by_epoch, data, moved, '--resume') == 0
    said = capsys.readouterr().out
    assert f'resumed from {moved}/epoch_2.pth' in said
    assert (moved / 'last_checkpoint').read_text() == str(moved / 'epoch_3.pth')
    assert not list(moved.glob('.123.*'))
    assert not differences(outcome(whole), outcome(moved))
    manifest = json.loads((moved / 'checkpoints.json').read_text())
    assert manifest.keys() == {'epoch_2.pth', 'epoch_3.pth', 'best.pth'}
    assert [manifest[f'epoch_{n}.pth']['step'] for n in (2, 3)] == [6, 9]


@pytest.mark.parametrize(
    ('arguments', 'options', 'said'),
    [
        (('--seed', '7'), (), 'the run had the seed 0, and now has 7: go on with --seed 0'),
        ((), ('train_dataloader.batch_size=4', 'train_cfg.total_batch_size=4'), 'total batch of 8, and now has 4'),
        (('--epochs', '5'), (), 'had 9 steps, and now has 15'),
        ((), ('optim_wrapper.optimizer.weight_decay=0.1',), 'weight_decay 0.05, and now has 0.1'),
        ((), ('optim_wrapper.optimizer.lr=2e-3',), 'had another learning rate'),
    ],
)
def test_what_would_change_the_steps_that_are_left_is_refused(by_epoch, data, whole, arguments, options, said, capsys):
    before = {path: path.stat().st_mtime_ns for path in whole.glob('*.pth')}
    assert train(by_epoch, data, whole, '--resume', *arguments, options=options) == 2
    error = capsys.readouterr().err
    assert said in error
    assert '--pretrained' in error
    assert {path: path.stat().st_mtime_ns for path in whole.glob('*.pth')} == before


def test_going_back_behind_checkpoints_that_stay_is_refused(by_epoch, data, whole, tmp_path, capsys):
    work_dir = copy(whole, tmp_path / 'w')
    assert train(by_epoch, data, work_dir, '--resume', str(work_dir / 'epoch_2.pth')) == 2
    said = capsys.readouterr().err
    assert f'epoch_2.pth is not the newest checkpoint in {work_dir}, which has epoch_3.pth: move them away' in said
    (work_dir / 'epoch_3.pth').write_bytes(b'damaged')  # --resume would not take this one either
    assert train(by_epoch, data, work_dir, '--resume', str(work_dir / 'epoch_2.pth')) == 0
    assert not differences(outcome(whole), outcome(work_dir))


def test_other_data_is_refused(by_epoch, whole, tmp_path, capsys):
    fewer = write_image_folder(tmp_path / 'fewer', train=9, val=2)
    assert train(by_epoch, fewer, whole, '--resume') == 2
    assert 'the run had 24 training images, and now has 27' in capsys.readouterr().err


def test_the_same_total_batch_in_another_way_goes_on(by_epoch, data, whole, tmp_path, capsys):
    work_dir = copy(whole, tmp_path / 'w', 'epoch_3.pth')
    assert train(by_epoch, data, work_dir, '--resume', options=('train_dataloader.batch_size=4',)) == 0
    said = capsys.readouterr().out
    assert 'the run had a total batch 8 = 8 per process x 1 process x 1 accumulated, and now has' in said
    own, other = (outcome(folder) for folder in (whole, work_dir))
    assert own['log']['train/lr'] == other['log']['train/lr']
    assert own['epoch_3.pth']['param_schedulers'] == other['epoch_3.pth']['param_schedulers']


def test_auto_starts_where_there_is_nothing_and_not_where_all_is_damaged(by_epoch, data, tmp_path, in_step, capsys):
    in_step(1, kill)
    with pytest.raises(Killed):
        train(by_epoch, data, tmp_path, '--resume', 'auto', '--pretrained', 'none')
    assert not pths(tmp_path)
    (tmp_path / 'epoch_1.pth').write_bytes(b'')
    assert train(by_epoch, data, tmp_path, '--resume', 'auto') == 2
    assert 'no intact checkpoint in' in capsys.readouterr().err


def test_a_second_run_in_a_work_dir_is_refused(by_epoch, data, whole, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(lock, 'TIMEOUT', 0)
    held = lock.acquire(whole)
    before = set(whole.rglob('*'))
    assert train(by_epoch, data, whole, '--resume') == 2
    assert 'another run is going on in work dir' in capsys.readouterr().err
    assert set(whole.rglob('*')) == before
    held.release()
    lock.acquire(whole).release()


def test_a_disk_without_room_for_two_checkpoints_is_refused_before_the_first_step(
    by_epoch, data, whole, tmp_path, monkeypatch, capsys
):
    content = torch.load(whole / 'epoch_3.pth', weights_only=True)
    size = disk.tensor_bytes(content)
    free = SimpleNamespace(free=2 * size - 10 * len(content['optimizer']['state']))  # the moments' counters are small
    monkeypatch.setattr(shutil, 'disk_usage', lambda _: free)
    assert train(by_epoch, data, tmp_path) == 2
    assert 'there must be room for two' in capsys.readouterr().err
    assert not read_scalars(tmp_path)
    free.free = 2 * size
    assert train(by_epoch, data, tmp_path) == 0
    assert 'the run keeps 2 and writes the next' in capsys.readouterr().out


@pytest.mark.parametrize('name', ['by_epoch.py', 'commands.txt'])
def test_a_disk_that_is_full_before_the_start_is_said_in_one_line(by_epoch, data, tmp_path, capsys, name):
    """The kernel's own ENOSPC, from /dev/full, for what a run writes before it looks for room."""
    (tmp_path / name).symlink_to('/dev/full')
    assert train(by_epoch, data, tmp_path) == 2
    assert f'error: {tmp_path} cannot be written (No space left on device)' in capsys.readouterr().err


def test_a_full_disk_keeps_every_old_file(by_epoch, data, tmp_path, monkeypatch, capsys):
    """The kernel's own ENOSPC, from /dev/full."""

    def after_train_epoch(self, runner, original=Checkpoints.after_train_epoch):
        if runner.epoch == 1:
            (tmp_path / f'.{os.getpid()}.epoch_2.pth').symlink_to('/dev/full')
        original(self, runner)

    monkeypatch.setattr(Checkpoints, 'after_train_epoch', after_train_epoch)
    assert train(by_epoch, data, tmp_path, options=('default_hooks.checkpoint.keep=1',)) == 2
    error = capsys.readouterr().err
    assert 'epoch_2.pth cannot be written (No space left on device)' in error
    assert 'kB were needed' in error
    assert pths(tmp_path) == {'epoch_1.pth', 'best.pth'}
    assert not list(tmp_path.glob('.*.pth'))
    assert torch.load(tmp_path / 'epoch_1.pth', weights_only=True)['meta']['iter'] == 3
