"""Which checkpoints a run keeps, and what a full disk leaves."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from mmengine.evaluator import BaseMetric, Evaluator

from convnext_dense.engine import Checkpoints
from convnext_dense.engine.csv_log import read_scalars
from convnext_dense.errors import UserError
from tests.helpers import toy
from tests.helpers.run_tool import train


def test_a_full_disk_leaves_the_checkpoint_before(image_folder, tmp_path, monkeypatch, capsys):
    def fail_in_epoch_two(content, file, save=torch.save):
        if content['meta']['epoch'] == 2:
            file.write(b'half')
            raise OSError(28, 'No space left on device')
        save(content, file)

    monkeypatch.setattr(torch, 'save', fail_in_epoch_two)
    assert train(image_folder, tmp_path, options=('default_hooks.checkpoint.keep=1',)) == 2
    error = capsys.readouterr().err
    assert 'No space left on device' in error
    assert 'free some space and continue with --resume' in error
    assert [path.name for path in tmp_path.glob('*.pth')] == ['epoch_1.pth']
    assert torch.load(tmp_path / 'epoch_1.pth', weights_only=True)['meta']['epoch'] == 1


def test_checkpoints_are_pruned_and_the_best_is_kept(image_folder, tmp_path):
    options = ('default_hooks.checkpoint.keep=2', 'default_hooks.checkpoint.best=raw/top1')
    assert train(image_folder, tmp_path, '--epochs', '4', options=options) == 0
    assert {path.name for path in tmp_path.glob('*.pth')} == {'epoch_3.pth', 'epoch_4.pth', 'best.pth'}
    best = torch.load(tmp_path / 'best.pth', weights_only=True)
    top1 = dict(read_scalars(tmp_path)['val/raw/top1'])
    assert top1[best['meta']['epoch']] == max(top1.values()) == best['runtime_info']['best_score']


# ------------------------------------------------------------------ mmengine's arguments


class Given(BaseMetric):
    """A metric with given values, one dict for each validation of raw and averaged weights."""

    def __init__(self, values: Sequence[dict]) -> None:
        super().__init__(collect_device='cpu', prefix='given')
        self.values = iter([one for one in values for _ in range(2)])

    def process(self, data_batch, data_samples):
        self.results += data_samples

    def compute_metrics(self, results):
        return next(self.values)


def run_of(folder: Path, values: Sequence[dict], resume: bool = False, **settings):
    """The toy's run of an epoch for each validation, with these values and settings of the hook."""
    original, epochs = toy.Runner, settings.pop('epochs', len(values))

    def runner(**arguments):
        arguments['val_evaluator'] = Evaluator(Given(values))
        hook = dict(type='CheckpointHook', interval=1, **settings)
        return original(**{**arguments, 'default_hooks': {**arguments['default_hooks'], 'checkpoint': hook}})

    with patch.object(toy, 'Runner', runner):
        return toy.runner(folder, {}, epochs=epochs, scores=(1,), resume=resume)


def log_of(run) -> str:
    return next(Path(run.log_dir).glob('*.log')).read_text()


def best(folder: Path) -> tuple[int, str, float]:
    content = torch.load(folder / 'best.pth', weights_only=True)
    return content['meta']['epoch'], content['runtime_info']['best_metric'], content['runtime_info']['best_score']


VALUES = [dict(mDice=0.5, fid=3.0), dict(mDice=0.9, fid=2.0), dict(mDice=0.7, fid=1.0), dict(mDice=0.7, fid=9.0)]


@pytest.mark.parametrize(
    ('settings', 'expected'),
    [
        (dict(save_best='mDice'), (2, 'raw/given/mDice', 0.9)),
        (dict(save_best='given/mDice'), (2, 'raw/given/mDice', 0.9)),
        (dict(save_best=['ema/given/mDice'], best='raw/top1'), (2, 'ema/given/mDice', 0.9)),
        (dict(save_best='auto'), (2, 'raw/given/mDice', 0.9)),
        (dict(save_best='mDice', rule='less'), (1, 'raw/given/mDice', 0.5)),
        (dict(save_best='fid', rule='less'), (3, 'raw/given/fid', 1.0)),
        (dict(save_best='fid', less_keys=['fid']), (3, 'raw/given/fid', 1.0)),
        (dict(save_best='fid', greater_keys=['fid']), (4, 'raw/given/fid', 9.0)),
    ],
)
def test_the_best_is_by_any_metric_and_rule(tmp_path, settings, expected):
    run_of(tmp_path, VALUES, **settings).train()
    assert best(tmp_path) == expected


@pytest.mark.parametrize(
    'kind', [np.float32, np.float16, torch.tensor, lambda v: np.array([v]), lambda v: torch.tensor([v]).half()]
)
def test_values_of_any_type_are_compared_logged_and_resumed(tmp_path, kind):
    values = [
        dict(mDice=kind(v), table=np.zeros(3), remark='fine', nothing=None, lacking=kind(float('nan')))
        for v in (0.5, 0.75, 0.25)
    ]
    run = run_of(tmp_path, values[:2], save_best='mDice')
    run.train()
    assert best(tmp_path) == (2, 'raw/given/mDice', 0.75)
    line = 'given/table (an array of (3,)), given/remark (a str), given/nothing (None)'
    assert log_of(run).count(f'not logged, since they are not single numbers: {line}') == 1
    assert [value for _, value in read_scalars(tmp_path)['val/raw/given/mDice']] == [0.5, 0.75]
    entry = json.loads((tmp_path / 'checkpoints.json').read_text())['epoch_2.pth']
    assert entry['best_score'] == entry['metrics']['raw/given/mDice'] == 0.75
    assert np.isnan(entry['metrics']['raw/given/lacking'])
    (tmp_path / 'epoch_2.pth').unlink()
    again = run_of(tmp_path, values[2:], resume=True, save_best='mDice', epochs=2)
    again.train()
    assert best(tmp_path) == (2, 'raw/given/mDice', 0.75)
    assert again.message_hub.get_info('best_score') == 0.5  # the first epoch's, since the second was now worse


def test_an_unknown_metric_is_named_with_those_that_there_are(tmp_path):
    run = run_of(tmp_path, VALUES[:2], save_best='mDices')
    run.train()
    line = (
        "no best.pth: the validation has no metric 'mDices', it has raw/given/mDice, raw/given/fid, ema/given/mDice, "
        'ema/given/fid; did you mean raw/given/mDice?'
    )
    assert log_of(run).count(line) == 1
    assert not (tmp_path / 'best.pth').exists()


KAPPA = [dict(kappa=0.5, images=7, fid=1.0), dict(kappa=0.9, images=7, fid=2.0), dict(kappa=0.7, images=7, fid=1.5)]


def test_auto_passes_over_metrics_of_which_neither_way_is_known(tmp_path):
    values = [{**one, 'mae': 1 - one['kappa'], 'mDice': one['kappa']} for one in KAPPA]
    run_of(tmp_path, values, save_best='auto').train()
    assert best(tmp_path) == (2, 'raw/given/mae', pytest.approx(0.1))


@pytest.mark.parametrize(
    ('settings', 'expected'),
    [
        (dict(greater_keys=['fid']), (2, 'raw/given/fid', 2.0)),
        (dict(rule='less'), (1, 'raw/given/kappa', 0.5)),
    ],
)
def test_auto_follows_the_rules_that_are_set(tmp_path, settings, expected):
    run_of(tmp_path, KAPPA, save_best='auto', **settings).train()
    assert best(tmp_path) == expected


def test_without_a_metric_of_known_rule_the_run_goes_on_and_says_it_once(tmp_path):
    run = run_of(tmp_path, KAPPA, save_best='auto')
    run.train()
    line = 'no best.pth: are greater or smaller values of raw/given/kappa, raw/given/images, raw/given/fid, ema/given/'
    assert log_of(run).count(line) == 1 and 'set default_hooks.checkpoint.rule' in log_of(run)
    assert (tmp_path / 'epoch_3.pth').exists() and not (tmp_path / 'best.pth').exists()


def test_the_best_of_another_metric_is_not_compared(tmp_path):
    run_of(tmp_path, VALUES[3:], save_best='fid', rule='greater').train()
    assert best(tmp_path) == (1, 'raw/given/fid', 9.0)
    run = run_of(tmp_path, VALUES[:1], resume=True, save_best='mDice', epochs=2)
    run.may_change_length = True
    run.train()
    assert best(tmp_path) == (2, 'raw/given/mDice', 0.5)
    assert 'best.pth was the best by raw/given/fid, and is by raw/given/mDice from now on' in log_of(run)


@pytest.mark.parametrize(
    ('settings', 'files'),
    [
        (dict(max_keep_ckpts=2), {'epoch_3.pth', 'epoch_4.pth'}),
        (dict(max_keep_ckpts=-1, keep=1), {f'epoch_{n}.pth' for n in (1, 2, 3, 4)}),
        (dict(max_keep_ckpts=3, save_begin=3), {'epoch_3.pth', 'epoch_4.pth'}),
        (dict(by_epoch=True, save_last=True, save_optimizer=True, out_dir=None, keep=1), {'epoch_4.pth'}),
    ],
)
def test_mmengines_arguments_do_here_what_they_do_there(tmp_path, settings, files):
    run_of(tmp_path, VALUES, **settings).train()
    assert {path.name for path in tmp_path.glob('*.pth')} == files


def test_an_interval_of_minus_one_keeps_the_last_alone(tmp_path):
    hook = Checkpoints(interval=-1)
    assert [hook._is_due(step, 3) for step in (1, 2, 3)] == [False, False, True]


@pytest.mark.parametrize(
    ('settings', 'said'),
    [
        (dict(intervall=2), "default_hooks.checkpoint has no argument 'intervall'; did you mean 'interval'?"),
        (dict(max_keep_ckpt=2), "did you mean 'max_keep_ckpts'?"),
        (dict(out_dir='s3://x'), "default_hooks.checkpoint.out_dir='s3://x' has no effect here: "),
        (dict(save_optimizer=False), 'save_optimizer=False has no effect here: a run resumes from its checkpoints'),
        (dict(save_last=False), 'the last checkpoint is always kept'),
        (dict(filename_tmpl='x_{}.pth'), 'checkpoints are epoch_N.pth, iter_N.pth and best.pth'),
        (dict(published_keys=['meta']), 'tools/convert_weights.py'),
        (dict(interval=0), 'interval 0: take a whole number from 1, or -1 for none but the last'),
        (dict(max_keep_ckpts=0), 'max_keep_ckpts 0: take a whole number from 1, or -1 for all'),
        (dict(keep=2.5), 'keep 2.5: take a whole number'),
        (dict(save_best=['a', 'b']), 'there is one best.pth, so name one metric'),
        (dict(save_best='fid'), 'are greater or smaller values of fid better? set default_hooks.checkpoint.rule'),
        (dict(save_best='mIoU', rule='max'), "default_hooks.checkpoint.rule 'max' does not exist"),
    ],
)
def test_arguments_without_effect_are_refused(settings, said):
    with pytest.raises(UserError, match=re.escape(said)):
        Checkpoints(**settings)


def test_another_unit_than_the_runs_is_refused(tmp_path):
    with pytest.raises(UserError, match='by_epoch=False: this run counts epochs, and so do its checkpoints'):
        run_of(tmp_path, VALUES[:1], by_epoch=False).train()
