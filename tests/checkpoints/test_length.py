"""Runs that go on with another length."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import PARAM_SCHEDULERS

from convnext_dense.checkpoints.content import plain
from convnext_dense.checkpoints.length import Progress, replay
from convnext_dense.engine.csv_log import read_scalars
from convnext_dense.errors import UserError
from tests.checkpoints.test_resume_schedulers import as_text
from tests.helpers import small_run, toy
from tests.helpers.small_run import COMMON, differences, write_config

STEPS_PER_EPOCH = 4


def built(parts: list[dict], lr: float = 0.1) -> tuple[OptimWrapper, list]:
    groups = [dict(params=[torch.nn.Parameter(torch.ones(1))], lr=lr * scale) for scale in (1.0, 0.2)]
    wrapper = OptimWrapper(torch.optim.SGD(groups, lr=lr, momentum=0.9))
    return wrapper, [PARAM_SCHEDULERS.build({**part, 'optimizer': wrapper}) for part in parts]


def run(wrapper: OptimWrapper, schedulers: list, steps: range) -> list[list[float]]:
    """The lr of each group at each of these steps, as the hooks step the schedulers."""
    lrs = []
    for step in steps:
        lrs.append([group['lr'] for group in wrapper.optimizer.param_groups])
        wrapper.step()
        for scheduler in schedulers:
            if not scheduler.by_epoch:
                scheduler.step()
        for scheduler in schedulers:
            if scheduler.by_epoch and (step + 1) % STEPS_PER_EPOCH == 0:
                scheduler.step()
    return lrs


WARM_UP = dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=5)
CONTINUED = {
    'none': lambda total: [],
    'constant': lambda total: [dict(type='ConstantLR', factor=0.5, by_epoch=False, begin=0, end=3)],
    'warm-up': lambda total: [WARM_UP],
    'milestones': lambda total: [WARM_UP, dict(type='MultiStepLR', milestones=[9, 14, 30], by_epoch=False, end=total)],
    'milestone at the end': lambda total: [dict(type='MultiStepLR', milestones=[9, 12], by_epoch=False, end=total)],
    'steps by epoch': lambda total: [dict(type='StepLR', step_size=2, gamma=0.5, end=total // STEPS_PER_EPOCH)],
    'exponential': lambda total: [WARM_UP, dict(type='ExponentialLR', gamma=0.9, by_epoch=False, begin=5, end=total)],
    'cosine with its own period': lambda total: [dict(type='CosineAnnealingLR', T_max=40, by_epoch=False, end=total)],
    'momentum': lambda total: [dict(type='StepMomentum', step_size=3, gamma=0.9, by_epoch=False, end=total)],
    'cosine later': lambda total: [
        WARM_UP, dict(type='CosineAnnealingLR', by_epoch=False, begin=14, end=max(total, 16)),
    ],
}  # fmt: skip
REFUSED = {
    'cosine': lambda total: [WARM_UP, dict(type='CosineAnnealingLR', by_epoch=False, begin=5, end=total)],
    'linear': lambda total: [dict(type='LinearLR', start_factor=1.0, end_factor=0.1, by_epoch=False, end=total)],
    'poly': lambda total: [dict(type='PolyLR', power=1.0, by_epoch=False, end=total)],
    'one cycle': lambda total: [dict(type='OneCycleLR', eta_max=0.5, total_steps=total, by_epoch=False)],
    'other milestones': lambda total: [dict(type='MultiStepLR', milestones=[total // 2], by_epoch=False)],
}


def continued(schedule, before: int, now: int, done: int, older: bool = False):
    """Replay a run of ``before`` steps, ``done`` of which are done, as one of ``now`` steps."""
    wrapper, schedulers = built(schedule(before))
    run(wrapper, schedulers, range(done))
    states = [plain(scheduler.state_dict()) for scheduler in schedulers]
    states = [as_text(state) for state in states] if older else states
    saved = wrapper.state_dict()
    groups = [*saved['param_groups'], saved['base_param_settings']]
    wrapper, schedulers = built(schedule(now))
    result = replay(schedulers, states, groups, Progress(done, done // STEPS_PER_EPOCH, STEPS_PER_EPOCH))
    if not isinstance(result, str):
        wrapper.load_state_dict(saved)
        result.apply()
    return result, wrapper, schedulers


@pytest.mark.parametrize(('before', 'now', 'done'), [(12, 20, 12), (12, 20, 7), (20, 12, 7), (12, 16, 12)])
@pytest.mark.parametrize('name', CONTINUED)
def test_the_rest_is_that_of_a_run_that_was_started_with_the_new_length(name, before, now, done):
    schedule = CONTINUED[name]
    expected = run(*built(schedule(now)), range(now))
    result, wrapper, schedulers = continued(schedule, before, now, done, older=done == 7)
    assert not isinstance(result, str), result
    assert run(wrapper, schedulers, range(done, now)) == expected[done:]


@pytest.mark.parametrize(('before', 'now', 'done'), [(12, 20, 12), (20, 12, 7)])
@pytest.mark.parametrize('name', REFUSED)
def test_a_curve_over_the_whole_run_can_not_go_on(name, before, now, done):
    old, new = (run(*built(REFUSED[name](total)), range(done)) for total in (before, now))
    step = next(i for i, (a, b) in enumerate(zip(old, new, strict=True)) if a != b) + 1
    result, *_ = continued(REFUSED[name], before, now, done)
    assert str(result).startswith(f'at step {step} the lr was ')


def test_other_kinds_and_other_lrs_are_refused():
    wrapper, schedulers = built(CONTINUED['milestones'](12))
    states = [plain(scheduler.state_dict()) for scheduler in schedulers]
    groups = wrapper.state_dict()['param_groups'] + [wrapper.state_dict()['base_param_settings']]
    done = Progress(6, 1, STEPS_PER_EPOCH)
    assert replay(built(REFUSED['poly'](20))[1], states, groups, done) == 'its parts are others'
    assert 'at step 1 the lr was 0.01 and would have been 0.02' in str(
        replay(built(CONTINUED['milestones'](20), lr=0.2)[1], states, groups, done)
    )


# ------------------------------------------------------------------ runs


def train(folder: Path, epochs: int, resume: bool = False, may_change: bool = True, halved: int = 20, **options):
    one = toy.runner(folder, {}, epochs=epochs, resume=resume, halved=halved, **options)
    one.may_change_length = may_change
    one.train()
    return one


def end(folder: Path, epoch: int) -> dict:
    content = torch.load(folder / f'epoch_{epoch}.pth', weights_only=True)
    return {key: content[key] for key in ('state_dict', 'ema_state_dict', 'optimizer', 'param_schedulers')}


def log_of(run) -> str:
    return next(Path(run.log_dir).glob('*.log')).read_text()


def test_a_finished_run_goes_on_to_the_last_bit(tmp_path):
    train(tmp_path / 'long', 4)
    train(tmp_path / 'more', 2)
    again = train(tmp_path / 'more', 4, resume=True)
    assert not differences(end(tmp_path / 'long', 4), end(tmp_path / 'more', 4))
    lrs = [[value for _, value in read_scalars(tmp_path / name)['train/lr']] for name in ('long', 'more')]
    assert lrs[0] == lrs[1] == pytest.approx([0.1] * 20 + [0.05] * 12)
    assert 'the run had 16 steps and now has 32: its schedule goes on as it was planned' in log_of(again)


@pytest.mark.parametrize('limit', [16, 15])
def test_a_long_comparison_says_so_before_it_begins(tmp_path, monkeypatch, limit):
    monkeypatch.setattr('convnext_dense.checkpoints.length.LONG', limit)
    train(tmp_path, 2)
    again = train(tmp_path, 3, resume=True)
    line = 'comparing the schedules of 16 and 24 steps at each of the 16 that are done'
    assert log_of(again).count(line) == (limit < 16)


def test_a_run_is_made_shorter(tmp_path):
    train(tmp_path / 'short', 3)
    train(tmp_path / 'cut', 5)
    said = r'had 40 steps and now has 24, of which 40 are done: start a new run .*--epochs 3'
    with pytest.raises(UserError, match=said):
        train(tmp_path / 'cut', 3, resume=True)
    (tmp_path / 'cut' / 'epoch_5.pth').unlink()
    with pytest.raises(UserError, match='of which 32 are done'):
        train(tmp_path / 'cut', 3, resume=True)
    (tmp_path / 'cut' / 'epoch_4.pth').unlink()
    assert train(tmp_path / 'cut', 3, resume=True).iter == 24
    assert not differences(end(tmp_path / 'short', 3)['state_dict'], end(tmp_path / 'cut', 3)['state_dict'])
    assert train(tmp_path / 'cut', 4, resume=True).iter == 32


def test_without_being_asked_for_another_length_is_refused(tmp_path):
    train(tmp_path, 2)
    said = 'the run had 16 steps and now has 32: resume with --epochs 2, its own length; another one takes --epochs'
    with pytest.raises(UserError, match=re.escape(said)):
        train(tmp_path, 4, resume=True, may_change=False)


def test_the_message_names_the_run_to_start_instead(tmp_path):
    train(tmp_path, 2, halved=3)
    one = toy.runner(tmp_path, {}, epochs=5, resume=True)
    one.param_schedulers = [dict(type='MultiStepLR', milestones=[5], gamma=0.5, by_epoch=False)]
    one.may_change_length = True
    said = (
        'the run had 16 steps and now has 40, and its schedule can not be continued (at step 4 the lr was 0.05 and '
        'would have been 0.1; a curve that ends with the run has another shape in a longer or shorter one): start a '
        f'new run from its weights: --work-dir {tmp_path}_more --pretrained {tmp_path}/epoch_2.pth --epochs 3, '
        'without --resume'
    )
    with pytest.raises(UserError, match=re.escape(said)):
        one.train()


def test_a_refused_resume_leaves_the_config_of_the_run(tmp_path):
    def with_config(epochs: int, **options):
        original = toy.Runner
        toy.Runner = lambda **arguments: original(**arguments, cfg=dict(note=epochs))
        try:
            return toy.runner(tmp_path, {}, epochs=epochs, **options)
        finally:
            toy.Runner = original

    with_config(1).train()
    saved = {path: path.read_text() for path in tmp_path.glob('*.py')}
    assert list(saved.values()) == ['note = 1\n']
    with pytest.raises(UserError, match='had 8 steps'):
        with_config(2, resume=True).train()
    assert {path: path.read_text() for path in tmp_path.glob('*.py')} == saved


STEPS = """
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=100),
    dict(type='MultiStepLR', begin=0, end=6, milestones=[2, 5], gamma=0.1, by_epoch=True, convert_to_iter_based=True),
]
"""


def test_a_run_of_the_command_goes_on_where_its_schedule_does(own_image_folder, tmp_path, capsys):
    """Warm-up and milestones stay where the first command put them, also when the longer run is cut."""
    config = write_config(tmp_path / 'steps.py', COMMON + 'train_cfg = dict(max_epochs=6)' + STEPS)
    work_dir = tmp_path / 'w'
    assert (
        small_run.train(config, own_image_folder, work_dir, '--epochs', '3') == 0
    )  # milestones after epoch 1 and 2.5
    assert small_run.train(config, own_image_folder, work_dir, '--resume', '--epochs', '5') == 0
    assert 'the run had 9 steps and now has 15: its schedule goes on as it was planned' in capsys.readouterr().out
    assert small_run.train(config, own_image_folder, work_dir, '--resume', '--epochs', '5') == 0
    assert '15 steps done, the run was finished' in capsys.readouterr().out
    assert small_run.train(config, own_image_folder, work_dir, '--resume', '--epochs', '6') == 0
    lrs = [value for _, value in read_scalars(work_dir)['train/lr']]
    assert lrs[3:] == pytest.approx([1e-4] * 5 + [1e-5] * 10)
    assert small_run.train(config, own_image_folder, work_dir, '--resume') == 2  # stretches the steps to 6 epochs
    assert 'the run had another learning rate' in capsys.readouterr().err


def test_a_cosine_that_ended_is_refused_with_the_run_to_start_instead(own_image_folder, tmp_path, capsys):
    config = write_config(tmp_path / 'cosine.py', COMMON)
    work_dir = tmp_path / 'w'
    assert small_run.train(config, own_image_folder, work_dir, '--epochs', '2') == 0
    assert small_run.train(config, own_image_folder, work_dir, '--resume', '--epochs', '3') == 2
    said = capsys.readouterr().err
    assert 'the run had 6 steps and now has 9, and its schedule can not be continued (at step ' in said
    instead = ['--work-dir', f'{work_dir}_more', '--pretrained', f'{work_dir}/epoch_2.pth', '--epochs', '1']
    assert ' '.join(instead) in said
    arguments = ['--epochs', '1', '--pretrained', str(work_dir / 'epoch_2.pth')]
    assert small_run.train(config, own_image_folder, tmp_path / 'w_more', *arguments) == 0
    assert 'fresh: nothing' in capsys.readouterr().out


def test_without_schedulers_there_is_nothing_to_compare():
    assert replay([], [], [], SimpleNamespace(steps=3)).progress == []
