"""An interrupted run continues exactly as it would have, or is refused."""

import json
import os
import shutil
import signal
from pathlib import Path
from unittest.mock import patch

import pytest
import torch

from convnext_dense.checkpoints.resume import (
    check_same_optimizer,
    check_same_run,
    frozen_otherwise,
    saved_facts,
)
from convnext_dense.cli import run_verb
from convnext_dense.engine import EMA, Checkpoints, ValLoop
from convnext_dense.engine.schedule import fit_schedule
from convnext_dense.errors import UserError
from convnext_dense.models import ConvNeXt
from tests.conftest import write_image_folder
from tests.helpers.small_classifier import classifier, official, save
from tests.helpers.small_run import BY_STEP, differences, outcome, train, write_config

TWO_WORKERS = ('train_dataloader.num_workers=2',)


class Killed(BaseException):
    """Stand-in for kill -9 inside one process; tests/e2e/test_faults.py has the real one."""


@pytest.fixture(scope='module')
def by_step(tmp_path_factory) -> Path:
    return write_config(tmp_path_factory.mktemp('config') / 'by_step.py', BY_STEP)


@pytest.fixture
def in_step(monkeypatch):
    """Do something inside a step, after the weights have moved."""

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


FLAGS = '--val-split 0.2 --split-seed 3'


@pytest.mark.parametrize(('before', 'now', 'said'), [(30, 30, False), (30, 28, True), (None, 28, False)])
def test_other_objects_in_the_data_are_said(before, now, said):
    facts = dict(seed=0, sampler_seed=0, total_batch=2, images=4, steps=6, plan='2 = 1 x 2', label_zero=None)
    line = check_same_run({**facts, 'objects': before}, {**facts, 'objects': now})
    assert (line == 'the run learned from 30 objects and now learns from 28: its data have changed') is said


@pytest.mark.parametrize(
    ('before', 'now', 'same'), [('ignore', 'class', False), ('class', 'class', True), (None, None, True)]
)
def test_label_0_keeps_its_meaning(before, now, same):
    facts = dict(seed=0, sampler_seed=0, total_batch=2, images=4, steps=6, plan='2 = 1 x 2')
    if same:
        assert check_same_run({**facts, 'label_zero': before}, {**facts, 'label_zero': now}) is None
        return
    with pytest.raises(
        UserError, match='had label 0 of the masks as ignore and now has class: resume with --label-zero ignore'
    ):
        check_same_run({**facts, 'label_zero': before}, {**facts, 'label_zero': now})


@pytest.mark.parametrize(
    ('before', 'now', 'said'),
    [
        (FLAGS, None, f'had the split of the data by {FLAGS} and now has no flags: resume with {FLAGS};'),
        (None, FLAGS, f'had the split of the data by no flags and now has {FLAGS}: resume with no flags;'),
        (FLAGS, '--val-split 0.3', f'by {FLAGS} and now has --val-split 0.3: resume with {FLAGS};'),
        (FLAGS, FLAGS, None),
        (None, None, None),
        ('of an older version', None, None),
    ],
)
def test_the_split_of_the_data_stays(before, now, said):
    facts = dict(seed=0, sampler_seed=0, total_batch=2, images=4, steps=6, plan='2 = 1 x 2', label_zero=None)
    saved = {**facts, 'split': before, 'images': 5 if said else 4}
    if before == 'of an older version':
        del saved['split']
    if said is None:
        assert check_same_run(saved, {**facts, 'split': now}) is None
        return
    with pytest.raises(UserError) as error:
        check_same_run(saved, {**facts, 'split': now})
    assert said in str(error.value)


@pytest.mark.parametrize(
    ('before', 'now', 'said'),
    [
        (
            ['backbone'],
            [],
            'had backbone frozen and now has no part: resume with its own --freeze and model.backbone.',
        ),
        ([], ['backbone.stages.0'], 'had no part frozen and now has backbone.stages.0: resume with its own --freeze'),
        (
            [f'block.{i}' for i in range(12)],
            [f'block.{i}' for i in range(12) if i != 10],
            r'had block.10, block.0, .* and 4 more frozen and now has block.0, .*block.7 and 3 more: resume with its',
        ),
        (['backbone'], ['backbone'], None),
        ('of an older version', ['backbone'], None),
    ],
)
def test_what_is_frozen_stays_frozen(before, now, said):
    facts = dict(seed=0, sampler_seed=0, total_batch=2, images=4, steps=6, plan='2 = 1 x 2', label_zero=None)
    saved = facts if before == 'of an older version' else {**facts, 'frozen': before}
    if said is None:
        assert check_same_run(saved, {**facts, 'frozen': now}) is None
        return
    with pytest.raises(UserError, match=said):
        check_same_run(saved, {**facts, 'frozen': now})


def test_groups_of_the_optimizer_keep_their_number_of_tensors():
    """As torch requires, whose error would be a traceback."""
    saved = [{'params': [0, 1, 2], 'group_name': 'decay'}, {'params': [3], 'group_name': 'no_decay'}]
    check_same_optimizer(saved, [{**group, 'params': list(group['params'])} for group in saved])
    with pytest.raises(UserError, match='the run trained 3 tensors in decay and now trains 1: resume with its config'):
        check_same_optimizer(saved, [{**saved[0], 'params': [0]}, saved[1]])


@pytest.mark.parametrize(
    ('before', 'now', 'is_said'),
    [
        ({}, ['backbone'], True),
        ({}, ['backbone', 'head'], True),
        ({}, ['backbone.stages'], False),
        ({}, [], False),
        ({'frozen': ['backbone']}, ['backbone'], False),
        ({'frozen': []}, ['backbone'], False),
    ],
)
def test_a_run_whose_version_froze_less_says_so(before, now, is_said):
    """Older versions trained the final norm of a classifier with frozen_stages=4."""
    reason = frozen_otherwise(before, {'frozen': now})
    assert bool(reason) is is_said
    saved = [{'params': [0, 1, 2], 'group_name': 'no_decay'}, {'params': [3]}]
    for own in ([{**saved[0], 'params': [0]}, saved[1]], saved[1:]):
        with pytest.raises(UserError) as error:
            check_same_optimizer(saved, own, reason)
        assert ('frozen_stages=4: start a new run with --pretrained' in str(error.value)) is is_said
        assert ('resume with its config' in str(error.value)) is not is_said


def test_a_run_of_an_older_version_with_a_frozen_network_is_refused_with_the_reason(
    own_image_folder, tmp_path, monkeypatch, capsys
):
    weights = save(official(classifier()), tmp_path / 'w.pth')
    config = write_config(tmp_path / 'frozen.py', BY_STEP + "model['backbone']['frozen_stages'] = 4\n")
    arguments = (config, own_image_folder, tmp_path / 'run')
    with monkeypatch.context() as older:
        older.setattr(ConvNeXt, '_frozen_parts', lambda self: [*self.downsample_layers, *self.stages])
        assert train(*arguments, '--pretrained', str(weights)) == 0
    content = torch.load(tmp_path / 'run' / 'iter_9.pth')
    del content['meta']['run']['frozen']
    shutil.rmtree(tmp_path / 'run')
    (tmp_path / 'run').mkdir()
    torch.save(content, tmp_path / 'run' / 'iter_9.pth')
    capsys.readouterr()
    assert train(*arguments, '--resume') == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith('error: the run ') and 'older versions trained the final norm with frozen_stages=4' in last


CONFIG = """task = 'segmentation'
train_dataloader = dict(
    dataset=dict({}pipeline=[dict(type='LoadMask')], root='data', type='convnext_dense.MaskFolder'))
val_dataloader = dict(dataset=dict(reduce_zero_label={}, type='convnext_dense.MaskFolder'))
"""


@pytest.mark.parametrize(
    ('meta', 'before'),
    [
        ({}, 'ignore'),
        ({'cfg': CONFIG.format('', False)}, 'ignore'),  # the default at that time
        ({'cfg': CONFIG.format('reduce_zero_label=True, ', False)}, 'ignore'),
        ({'cfg': CONFIG.format('reduce_zero_label=False, ', True)}, 'class'),
        ({'cfg': "task = 'segmentation'\nno python"}, 'ignore'),
        ({'dataset_meta': {'reduce_zero_label': False}}, 'class'),  # of a data set of mmseg
        ({'run': {'label_zero': 'class'}, 'cfg': CONFIG.format('reduce_zero_label=True, ', True)}, 'class'),
    ],
)
def test_label_0_keeps_the_meaning_that_it_had_in_older_checkpoints(meta, before):
    facts = dict(seed=0, sampler_seed=0, total_batch=2, images=4, steps=6, plan='2 = 1 x 2')
    content = {'meta': {'convnext_dense': '0.1.0', **meta, 'run': {**facts, **meta.get('run', {})}}}
    for now in ('ignore', 'class'):
        own = {**facts, 'label_zero': now}
        if now == before:
            assert check_same_run(saved_facts(content, own), own) is None
            continue
        with pytest.raises(UserError, match=f'as {before} and now has {now}: resume with --label-zero {before}'):
            check_same_run(saved_facts(content, own), own)
    other_task = {**facts, 'label_zero': None}
    assert check_same_run(saved_facts({'meta': {'run': facts}}, other_task), other_task) is None


def send(number: int):
    return lambda: os.kill(os.getpid(), number)


def pths(work_dir: Path) -> set[str]:
    return {path.name for path in work_dir.glob('*.pth')}


def test_a_run_by_epochs_goes_on_exactly(by_epoch, data, uncut, tmp_path, in_step, monkeypatch, capsys):
    """Stopped inside an epoch, inside a validation, and killed inside a step; with workers and without."""
    work_dir = tmp_path / 'cut'
    in_step(4, send(signal.SIGTERM))
    assert train(by_epoch, data, work_dir) == 143
    said = capsys.readouterr()
    assert pths(work_dir) == {'epoch_1.pth', 'epoch_1_iter_4.pth', 'best.pth'}
    assert f'saved as {work_dir}/epoch_1_iter_4.pth' in said.out
    again = said.err.split('continue with: ')[1].split()
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
    assert not differences(outcome(uncut), outcome(work_dir))
    assert pths(work_dir) == pths(uncut) == {'epoch_2.pth', 'epoch_3.pth', 'best.pth'}


def test_a_run_by_steps_goes_on_exactly(by_step, data, tmp_path, in_step):
    uncut, cut = tmp_path / 'uncut', tmp_path / 'cut'
    assert train(by_step, data, uncut, options=TWO_WORKERS) == 0
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
    assert not differences(outcome(uncut), outcome(cut))


def copy(work_dir: Path, to: Path, *without: str) -> Path:
    shutil.copytree(work_dir, to)
    for name in without:
        (to / name).unlink()
    return to


@pytest.mark.faults
def test_a_damaged_newest_is_passed_over_in_a_work_dir_that_was_moved(by_epoch, data, uncut, tmp_path, capsys):
    moved = copy(uncut, tmp_path / 'moved')
    newest = bytearray((moved / 'epoch_3.pth').read_bytes())
    newest[len(newest) // 2] ^= 1
    (moved / 'epoch_3.pth').write_bytes(newest)
    (moved / '.123.epoch_4.pth').write_bytes(b'half')
    (moved / '.123.checkpoints.json').write_text('{')
    assert (moved / 'last_checkpoint').read_text() == str(uncut / 'epoch_3.pth')  # it is not there any more
    assert train(by_epoch, data, moved, '--resume') == 0
    said = capsys.readouterr().out
    assert f'resumed from {moved}/epoch_2.pth' in said
    assert (moved / 'last_checkpoint').read_text() == str(moved / 'epoch_3.pth')
    assert not list(moved.glob('.123.*'))
    assert not differences(outcome(uncut), outcome(moved))
    manifest = json.loads((moved / 'checkpoints.json').read_text())
    assert manifest.keys() == {'epoch_2.pth', 'epoch_3.pth', 'best.pth'}
    assert [manifest[f'epoch_{n}.pth']['step'] for n in (2, 3)] == [6, 9]


@pytest.mark.parametrize(
    ('arguments', 'options', 'said'),
    [
        (('--seed', '7'), (), 'the run had the seed 0 and now has 7: resume with --seed 0'),
        ((), ('train_dataloader.batch_size=4', 'train_cfg.total_batch_size=4'), 'total batch of 8 and now has 4'),
        ((), ('train_cfg.max_epochs=5',), 'had 9 steps and now has 15'),
        ((), ('optim_wrapper.optimizer.weight_decay=0.1',), 'weight_decay 0.05 and now has 0.1'),
        ((), ('optim_wrapper.optimizer.lr=2e-3',), 'had another learning rate'),
    ],
)
def test_what_would_change_the_steps_that_are_left_is_refused(by_epoch, data, uncut, arguments, options, said, capsys):
    before = {path: path.stat().st_mtime_ns for path in uncut.glob('*.pth')}
    assert train(by_epoch, data, uncut, '--resume', *arguments, options=options) == 2
    error = capsys.readouterr().err
    assert said in error
    assert '--pretrained' in error
    assert {path: path.stat().st_mtime_ns for path in uncut.glob('*.pth')} == before


def test_going_back_behind_checkpoints_that_stay_is_refused(by_epoch, data, uncut, tmp_path, capsys):
    work_dir = copy(uncut, tmp_path / 'w')
    assert train(by_epoch, data, work_dir, '--resume', str(work_dir / 'epoch_2.pth')) == 2
    said = capsys.readouterr().err
    assert f'epoch_2.pth is not the newest checkpoint in {work_dir}, which has epoch_3.pth: move them away' in said
    (work_dir / 'epoch_3.pth').write_bytes(b'damaged')  # --resume would not take this one either
    assert train(by_epoch, data, work_dir, '--resume', str(work_dir / 'epoch_2.pth')) == 0
    assert not differences(outcome(uncut), outcome(work_dir))


def test_other_data_is_refused(by_epoch, uncut, tmp_path, capsys):
    fewer = write_image_folder(tmp_path / 'fewer', train=9, val=2)
    assert train(by_epoch, fewer, uncut, '--resume') == 2
    assert 'the run had 24 training images and now has 27' in capsys.readouterr().err


def test_the_same_total_batch_in_another_way_goes_on(by_epoch, data, uncut, tmp_path, capsys):
    work_dir = copy(uncut, tmp_path / 'w', 'epoch_3.pth')
    assert train(by_epoch, data, work_dir, '--resume', options=('train_dataloader.batch_size=4',)) == 0
    said = capsys.readouterr().out
    assert 'the run had a total batch 8 = 8 per process x 1 process x 1 accumulated and now has' in said
    own, other = (outcome(folder) for folder in (uncut, work_dir))
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


# ------------------------------------------------------------------ schedulers


POLY_TO_10 = BY_STEP.replace('begin=0, end=9', 'begin=0, end=10')


def test_a_run_of_older_settings_resumes_with_the_config_that_it_saved(by_step, data, tmp_path, in_step, capsys):
    """The error of the new recipe names a command, which ends the run as it would have ended."""
    uncut, cut, new = tmp_path / 'uncut', tmp_path / 'cut', write_config(tmp_path / 'by_step.py', POLY_TO_10)
    assert train(by_step, data, uncut) == 0
    in_step(4, send(signal.SIGUSR1))
    assert train(by_step, data, cut) == 128 + signal.SIGUSR1
    assert train(new, data, cut, '--resume') == 2
    said = capsys.readouterr().err
    assert 'a part up to step 9 and now has it up to step 10' in said
    command = said.split('the config that it saved (`')[1].split('`)')[0]
    assert command == f'train {cut}/by_step.py --work-dir {cut} --resume'
    assert run_verb('train', command.split()[1:]) == 0
    assert not differences(outcome(uncut), outcome(cut))


def test_a_run_whose_schedule_was_fitted_in_another_way_goes_on_as_it_was(
    data, tmp_path, in_step, capsys, monkeypatch
):
    """With the same config: a version that fits the schedule in another way to the length does not change the run."""
    uncut, cut, config = tmp_path / 'uncut', tmp_path / 'cut', write_config(tmp_path / 'by_step.py', POLY_TO_10)

    def fitted(scheduler, *arguments):
        return [{**part, 'end': 9} for part in fit_schedule(scheduler, *arguments)]

    with monkeypatch.context() as older:
        older.setattr('convnext_dense.engine.runner.fit_schedule', fitted)
        assert train(config, data, uncut) == 0
    in_step(4, send(signal.SIGUSR1))
    with patch('convnext_dense.engine.runner.fit_schedule', fitted):
        assert train(config, data, cut) == 128 + signal.SIGUSR1
    assert train(config, data, cut, '--resume') == 0
    assert 'goes on as its own version fitted it: it had a part up to step 9' in capsys.readouterr().out
    assert not differences(outcome(uncut), outcome(cut))
