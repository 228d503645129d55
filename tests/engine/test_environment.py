"""The first lines of a run."""

import logging
from types import SimpleNamespace

import pytest
import torch

from convnext_dense.engine import environment
from convnext_dense_doctor.load import Load


@pytest.fixture
def lines(tmp_path, monkeypatch, caplog):
    """A function that returns the lines of a run on a machine with this load."""
    monkeypatch.setattr(environment, 'collect_env', lambda: {'CUDA': 'none'})
    monkeypatch.setattr(torch, 'get_num_threads', lambda: 2)

    def log(load: Load | None, distributed: bool = False) -> list[str]:
        monkeypatch.setattr(environment.LoadMeter, 'read', lambda _: load)
        caplog.clear()
        logger = logging.getLogger('run')
        runner = SimpleNamespace(
            rank=0, world_size=1, log_dir=tmp_path, seed=3, logger=logger, distributed=distributed
        )
        with caplog.at_level(logging.INFO):
            environment.log_environment(runner)
        return [f'{record.levelname} {record.getMessage()}' for record in caplog.records]

    return log


def test_the_environment_is_a_file_and_a_line(lines, tmp_path):
    for load in (None, Load(2, 0.2)):
        [line] = lines(load)
        assert line.startswith('INFO convnext_dense ') and '2 threads, seed 3; logs in' in line
    assert (tmp_path / 'environment.txt').read_text() == 'CUDA: none\n'


def test_a_loaded_machine_is_said_and_the_number_of_threads_stays(lines):
    _, line = lines(Load(2, 1.3))
    assert line == (
        'WARNING other processes use 1.3 of 2 cores: steps take longer; with OMP_NUM_THREADS=1 perhaps less, '
        'and the last digits of the losses differ'
    )
    _, line = lines(Load(4, 1.6))  # two threads have a core each
    assert line == 'WARNING other processes use 1.6 of 4 cores: steps take longer'


def test_the_processes_of_one_run_are_no_load(lines):
    assert len(lines(Load(2, 2.0), distributed=True)) == 1
