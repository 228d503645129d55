"""The first lines of a run."""

import logging
from types import SimpleNamespace

import torch

from convnext_dense.engine import environment
from convnext_dense_doctor.load import Load


def runner(tmp_path, distributed: bool = False) -> SimpleNamespace:
    logger = logging.getLogger('run')
    facts = dict(rank=0, world_size=1, log_dir=tmp_path, seed=3, distributed=distributed)
    return SimpleNamespace(logger=logger, _train_loop={}, **facts)


def test_the_environment_is_a_file_and_a_line(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(environment, 'collect_env', lambda: {'CUDA': 'none'})
    monkeypatch.setattr(environment, 'cpu_name', lambda: 'fast one')
    monkeypatch.setattr(torch, 'get_num_threads', lambda: 2)
    with caplog.at_level(logging.INFO):
        environment.log_environment(runner(tmp_path))
    [line] = caplog.messages
    assert line.startswith('convnext_dense ') and '2 threads, seed 3; logs in' in line
    assert (tmp_path / 'environment.txt').read_text() == 'CPU: fast one\nCUDA: none\n'


def test_a_loaded_machine_is_said_and_the_number_of_threads_stays(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(torch, 'get_num_threads', lambda: 2)
    for load in (Load(2, 1.3), Load(4, 1.6), Load(2, 0.2), None):
        environment.warn_of_load(runner(tmp_path), load)
    assert caplog.messages == [
        'other processes use 1.3 of 2 cores: steps take longer; OMP_NUM_THREADS=1 may help, '
        'and changes the last digits of the losses',
        'other processes use 1.6 of 4 cores: steps take longer',  # two threads have a core each
    ]
    assert {record.levelname for record in caplog.records} == {'WARNING'}


def test_the_processes_of_one_run_are_no_load(tmp_path, caplog):
    environment.warn_of_load(runner(tmp_path, distributed=True), Load(2, 2.0))
    assert not caplog.messages
