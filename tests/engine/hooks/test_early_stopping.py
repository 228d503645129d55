"""The count of early stopping survives whatever cuts a run."""

import json
from pathlib import Path

import pytest
from mmengine.hooks import EarlyStoppingHook, Hook

from convnext_dense.engine import EarlyStopping
from convnext_dense.errors import UserError
from tests.helpers import toy

SCORES = (1.0, 0.5, 0.5, 0.5, 9.0, 9.0)  # three in a row that are no better
CONFIG = dict(type='EarlyStoppingHook', monitor='score', patience=3)


class Cut(Exception):
    pass


class CutAfterStep(Hook):
    """Ends the process's part of a run, as a kill does."""

    priority = 'LOWEST'

    def __init__(self, step: int, before_its_validation: bool = True) -> None:
        self.step = step
        self.before = before_its_validation

    def after_train_iter(self, runner, *args, **kwargs):
        if runner.iter + 1 == self.step and self.before:
            raise Cut

    def after_val_epoch(self, runner, metrics=None):
        if runner.iter == self.step and not self.before:
            raise Cut


def run_of(folder: Path, scores, *hooks, **options):
    return toy.runner(folder, {}, hooks=[dict(CONFIG), *hooks], scores=scores, **options)


def log_of(run) -> str:
    return next(Path(run.log_dir).glob('*.log')).read_text()


def test_the_runner_takes_our_hook_for_mmengines(tmp_path):
    for kind in ('EarlyStoppingHook', 'mmengine.EarlyStoppingHook', EarlyStoppingHook):
        run = toy.runner(tmp_path / str(kind), {}, hooks=[{**CONFIG, 'type': kind}])
        assert sum(type(one) is EarlyStopping for one in run.hooks) == 1


BY_EPOCHS = dict(epochs=6, save_interval=1)
BY_STEPS = dict(steps=18, val_interval=3, save_interval=3)


@pytest.mark.parametrize(
    ('length', 'before', 'cut_at'),
    [(BY_EPOCHS, True, 3), (BY_EPOCHS, False, 2), (BY_STEPS, False, 3), (BY_EPOCHS, False, 4)],
)
def test_a_run_that_was_cut_ends_where_it_would_have(tmp_path, length, before, cut_at):
    uncut = run_of(tmp_path / 'uncut', SCORES, **length)
    uncut.train()
    each = 8 if 'epochs' in length else 3
    assert uncut.iter == 4 * each
    with pytest.raises(Cut):
        run_of(tmp_path / 'cut', SCORES, CutAfterStep(cut_at * each, before), **length).train()
    # the validations that were finished are not run again
    finished = cut_at - 1 if before else cut_at
    again = run_of(tmp_path / 'cut', SCORES[finished:], resume=True, **length)
    again.train()
    assert again.iter == 4 * each
    assert 'training ends early' in log_of(again)


def test_a_validation_that_the_state_includes_is_not_counted_twice(tmp_path):
    """A run that a signal stops between a validation and the next step writes its checkpoint after the validation."""
    length = dict(epochs=6, save_interval=5)
    run = run_of(tmp_path, SCORES, CutAfterStep(16, before_its_validation=False), **length)
    with pytest.raises(Cut):
        run.train()
    run.call_hook('before_stop')
    assert (tmp_path / 'epoch_2.pth').is_file()
    again = run_of(tmp_path, SCORES[2:], resume=True, **length)
    again.train()
    assert again.iter == 32


def test_a_metric_that_is_not_there_is_named_once(tmp_path):
    run = toy.runner(tmp_path, {}, epochs=2, scores=(1, 1), hooks=[dict(CONFIG, monitor='scores', rule='greater')])
    run.train()
    line = (
        "the validation has no metric 'scores', it has raw/score, ema/score; did you mean raw/score?: it ends no run"
    )
    assert log_of(run).count(line) == 1
    hook = dict(CONFIG, monitor='scores', rule='greater', strict=True)
    with pytest.raises(UserError, match="no metric 'scores'"):
        toy.runner(tmp_path / 'strict', {}, scores=(1,), hooks=[hook]).train()


def test_a_rule_that_the_name_does_not_tell_is_asked_for(tmp_path):
    with pytest.raises(UserError, match='are greater or smaller values of fid better'):
        EarlyStopping('fid')
    assert [EarlyStopping(name).rule for name in ('loss', 'mDice', 'raw/box_AP')] == ['less', 'greater', 'greater']


def test_the_manifest_has_the_metrics(tmp_path):
    run_of(tmp_path, (0.25,)).train()
    entry = json.loads((tmp_path / 'checkpoints.json').read_text())['epoch_1.pth']
    assert entry['metrics'] == {'raw/score': 0.25, 'ema/score': 0.25}
