"""Schedulers that follow a metric."""

from pathlib import Path

import pytest

from convnext_dense.engine.csv_log import read_scalars
from convnext_dense.errors import UserError
from tests.engine.hooks.test_early_stopping import Cut, CutAfterStep
from tests.helpers import toy

SCORES = (1.0, 0.5, 0.5, 2.0, 2.0)
PLATEAU = dict(type='ReduceOnPlateauLR', monitor='score', rule='greater', factor=0.5, patience=1)


def run_of(folder: Path, scores, monitor: str = 'score', **options):
    run = toy.runner(folder, {}, epochs=5, scores=scores, **options)
    run.param_schedulers = [dict(PLATEAU, monitor=monitor)]
    return run


def lrs(folder: Path) -> list[float]:
    return [value for step, value in read_scalars(folder)['train/lr'] if step % 8 == 1]  # of each epoch


@pytest.mark.parametrize('monitor', ['score', 'raw/score', 'ema/score'])
def test_the_lr_follows_the_metric_and_does_so_after_a_cut(tmp_path, monitor):
    run = run_of(tmp_path / 'uncut', SCORES, monitor)
    run.train()
    assert lrs(tmp_path / 'uncut') == pytest.approx([0.1, 0.1, 0.1, 0.05, 0.05])
    with pytest.raises(Cut):
        run_of(tmp_path / 'cut', SCORES, monitor, hooks=[CutAfterStep(24, before_its_validation=False)]).train()
    run_of(tmp_path / 'cut', SCORES[3:], monitor, resume=True).train()
    assert lrs(tmp_path / 'cut') == lrs(tmp_path / 'uncut')


def test_a_metric_that_is_not_there_is_named(tmp_path):
    said = "param_scheduler.monitor 'loss' is no metric of the validation, which has raw/score, ema/score"
    with pytest.raises(UserError, match=said):
        run_of(tmp_path, SCORES, 'loss').train()
