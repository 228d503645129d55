"""``--patience``: a run ends by the metric of ``best.pth``, wherever it was cut, and goes on if it is told to."""

import json
import re
from pathlib import Path

import pytest
import torch

from convnext_dense.engine import Patience
from convnext_dense.errors import UserError
from tests.engine.hooks.test_early_stopping import Cut, CutAfterStep, log_of
from tests.helpers import toy
from tests.helpers.small_run import differences, outcome_of

NAN = float('nan')
BETTER_THIRD = (1.0, 0.5, 2.0, 2.0, NAN, 1.5, 9.0, 9.0)
"""After the third validation three are no better: an equal one, one that is no number, and a worse one."""


def run_of(folder: Path, scores=BETTER_THIRD, patience=3, hooks=(), best='auto', resume=False, **options):
    hook = [dict(type='convnext_dense.Patience', patience=patience)] if patience else []
    run = toy.runner(folder, {}, hooks=[*hook, *hooks], scores=scores, resume=resume, **options)
    next(hook for hook in run.hooks if type(hook).__name__ == 'Checkpoints').best = best
    return run


def state_of(folder: Path) -> dict:
    name = sorted(folder.glob('*_*.pth'), key=lambda path: int(re.findall(r'\d+', path.name)[0]))[-1]
    return torch.load(name, weights_only=True)


EPOCHS = dict(epochs=8, save_interval=1)
STEPS = dict(steps=24, val_interval=3, save_interval=3)


@pytest.mark.parametrize(('length', 'ends', 'at'), [(EPOCHS, 48, 'epoch 3'), (STEPS, 18, 'step 9')])
@pytest.mark.parametrize('best', ['auto', 'ema/score', 'raw/score'])
def test_it_ends_after_as_many_validations_that_made_no_best_checkpoint(tmp_path, length, ends, at, best):
    run = run_of(tmp_path, best=best, **length)
    run.train()
    assert run.iter == ends
    text, metric = log_of(run), 'raw/score' if best == 'auto' else best
    done = 'epoch 6 of 8 (step 48 of 64)' if 'epochs' in length else 'step 18 of 24'
    assert (
        f'training ends early, after {done}: {metric} has not improved in 3 validations in a row; best 2.00 after '
        f'{at}, in {tmp_path / "best.pth"}\n'
    ) in text
    watched = 'the first metric' if best == 'auto' else best
    every = (
        'epoch; the learning-rate schedule stays that of 8 epochs'
        if 'epochs' in length
        else ('3 steps; the learning-rate schedule stays that of 24 steps')
    )
    assert (
        f'--patience 3: the run ends when {watched}, which decides best.pth, has not improved in 3 validations in a '
        f'row, of which there is one every {every}\n'
    ) in text
    assert text.count('--patience') == 1


@pytest.mark.parametrize(
    ('length', 'each', 'before', 'cut_at'),
    [(EPOCHS, 8, True, 4), (EPOCHS, 8, False, 2), (EPOCHS, 8, False, 5), (STEPS, 3, False, 4), (EPOCHS, 8, False, 6)],
)
def test_a_run_that_was_cut_ends_where_it_would_have_with_the_same_state(tmp_path, length, each, before, cut_at):
    uncut = run_of(tmp_path / 'uncut', **length)
    uncut.train()
    with pytest.raises(Cut):
        run_of(tmp_path / 'cut', hooks=[CutAfterStep(cut_at * each, before)], **length).train()
    finished = cut_at - 1 if before else cut_at
    again = run_of(tmp_path / 'cut', BETTER_THIRD[finished:], resume=True, **length)
    again.train()
    assert again.iter == uncut.iter == 6 * each
    assert log_of(again).count(': raw/score has not improved in 3 validations in a row; best 2.00') >= 1
    assert differences(*(outcome_of(state_of(tmp_path / name)) for name in ('uncut', 'cut'))) == []
    hooks = [next(hook for hook in run.hooks if isinstance(hook, Patience)) for run in (uncut, again)]
    states = [(hook.wait_count, hook.best_score, hook.best_at, hook.metric) for hook in hooks]
    assert states[0] == states[1] and states[0][:2] == (3, 2.0)


@pytest.mark.parametrize('length', [EPOCHS, STEPS])
def test_a_run_that_ended_early_does_not_train_on_unless_its_patience_is_larger(tmp_path, length):
    more = run_of(tmp_path / 'more', patience=4, **length)
    more.train()
    run = run_of(tmp_path / 'run', **length)
    run.train()
    content = {path.name: path.read_bytes() for path in (tmp_path / 'run').glob('*.pth')}
    again = run_of(tmp_path / 'run', BETTER_THIRD[6:], resume=True, **length)
    again.train()
    assert again.iter == run.iter
    assert {path.name: path.read_bytes() for path in (tmp_path / 'run').glob('*.pth')} == content
    text = log_of(again)
    assert 'the run ended early, after' in text and 'It goes on with --patience 6, or any number above 3, or' in text
    assert 'the run was finished' in text
    longer = run_of(tmp_path / 'run', BETTER_THIRD[6:], patience=4, resume=True, **length)
    longer.train()
    assert longer.iter == more.iter == run.max_iters  # the seventh validation is the best
    assert 'without improvement, and goes on with --patience 4' in log_of(longer)
    assert '; 3 so far' in log_of(longer)
    assert differences(*(outcome_of(state_of(tmp_path / name)) for name in ('more', 'run'))) == []


def test_a_longer_run_goes_on_and_counts_anew(tmp_path):
    run_of(tmp_path, (2.0, 1.0, 1.0), patience=2, epochs=4).train()
    assert json.loads((tmp_path / 'checkpoints.json').read_text())['epoch_3.pth']['stopped_by'] == 'patience'
    longer = run_of(tmp_path, (1.0, 1.0, 5.0), patience=2, epochs=6, resume=True)
    longer.may_change_length = True
    longer.train()
    assert longer.epoch == 5
    assert 'after 2 validations without improvement, and goes on since its length has changed' in log_of(longer)
    assert 'best 2.00 after epoch 1' in log_of(longer)


def test_without_the_hook_a_run_goes_on_and_says_so(tmp_path):
    run_of(tmp_path, (2.0, 1.0), patience=1, epochs=4).train()
    run = run_of(tmp_path, (1.0, 1.0), patience=None, epochs=4, resume=True)
    run.train()
    assert run.epoch == 4 and 'ended early by its patience, and goes on without it after epoch 2 of 4' in log_of(run)


def test_what_another_hook_ended_stays_ended(tmp_path):
    hook = dict(type='EarlyStoppingHook', monitor='score', patience=1)
    run_of(tmp_path, (2.0, 1.0), patience=5, hooks=[hook], epochs=4).train()
    run = run_of(tmp_path, (1.0,), patience=9, hooks=[hook], epochs=4, resume=True)
    run.train()
    assert run.epoch == 2 and 'goes on' not in log_of(run)


def test_a_smaller_value_is_better_where_the_rule_says_so(tmp_path):
    run = run_of(tmp_path, (3.0, 2.0, 1.0, 1.5, 0.5), patience=1, epochs=5)
    next(hook for hook in run.hooks if type(hook).__name__ == 'Checkpoints').rule = 'less'
    run.train()
    assert run.epoch == 4


def test_what_can_not_work_is_refused_or_said(tmp_path):
    for patience in (0, -1, True, 1.5):
        with pytest.raises(UserError, match=r'wait for at least 1 validation'):
            Patience(patience)
    with pytest.raises(UserError, match=r'this run has none: hold out a fifth of the images with --val-split 0\.2'):
        run_of(tmp_path / 'none', ()).train()
    with pytest.raises(UserError, match=r'default_hooks\.checkpoint\.best is None: set it to a metric'):
        run_of(tmp_path / 'no_best', best=None).train()
    run = run_of(tmp_path / 'short', (1.0, 1.0, 1.0), epochs=3)
    run.train()
    assert '--patience 3 never ends this run, which has 3 validations: the first one always is the best' in log_of(run)
    run = run_of(tmp_path / 'absent', (1.0, 1.0, 1.0), patience=1, best='raw/mIoU', epochs=3)
    run.train()
    assert run.epoch == 3
    assert log_of(run).count("the validation has no metric 'best.pth'") == 0
    assert log_of(run).count("--patience 1 ends no run: the validation has no metric 'raw/mIoU'") == 1


def test_a_best_value_that_never_was_a_number(tmp_path):
    run = run_of(tmp_path, (NAN, NAN, NAN), patience=2, epochs=3)
    run.train()
    assert run.epoch == 2 and 'in 2 validations in a row; it never was a number' in log_of(run)
