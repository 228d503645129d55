"""The lines around the first step of a start."""

import re
from pathlib import Path

import pytest

from convnext_dense.engine.csv_log import read_scalars
from tests.helpers import toy


def lines(run) -> list[str]:
    text = next(Path(run.log_dir).glob('*.log')).read_text()
    return [line.split(' - INFO - ')[1] for line in text.splitlines() if ' - INFO - ' in line]


@pytest.mark.parametrize(('workers', 'by'), [(0, 'no workers'), (1, '1 worker')])
def test_the_first_step_is_logged_once_between_the_loader_and_the_rest(tmp_path, workers, by):
    run = toy.runner(tmp_path, {}, epochs=2, workers=workers)
    run.train()
    said = lines(run)
    start = said.index(f'starting the data loader ({by}) and loading the first batch')
    (first,) = [i for i, line in enumerate(said) if line.startswith('first step: ')]
    assert start < first
    loss = read_scalars(tmp_path)['train/loss'][0][1]
    expected = rf'first step: loss {loss:.4f}, \d+\.\d s, after \d+\.\d s for its first batch; '
    assert re.fullmatch(expected + r'the remaining 15 steps would take about \d+:\d\d:\d\d', said[first])
    assert not [line for line in said[:start] if line.startswith('Epoch')]
    assert sum('starting the data loader' in line for line in said) == 1


def test_a_resumed_run_counts_the_steps_that_remain(tmp_path):
    toy.runner(tmp_path, {}, epochs=2).train()
    (tmp_path / 'epoch_2.pth').unlink()
    resumed = toy.runner(tmp_path, {}, epochs=2, resume=True)
    resumed.train()
    assert [line for line in lines(resumed) if line.startswith('first step') and 'the remaining 7 steps' in line]


def test_a_step_with_a_compilation_is_no_measure(tmp_path):
    run = toy.runner(tmp_path, {})
    run.cfg.compile_backbone = True  # after it was built: nothing is compiled here
    run.train()
    (line,) = [line for line in lines(run) if line.startswith('first step')]
    assert line.endswith('; the remaining 7 steps take less each, since it had the compilation')
