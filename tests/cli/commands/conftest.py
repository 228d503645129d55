"""Small models that a demo predicts with."""

from pathlib import Path

import pytest

from convnext_dense.cli import run_verb
from convnext_dense.cli.commands import demo as command
from convnext_dense.inference import predictor as inference
from tests.helpers.demo_inputs import IDS
from tests.helpers.small_models import CLASSES, CONFIGS, write_checkpoint, write_config


@pytest.fixture(scope='session')
def model_files(tmp_path_factory) -> Path:
    """``TASK.py`` and ``TASK.pth`` of each task."""
    folder = tmp_path_factory.mktemp('models')
    for task in CONFIGS:
        meta = {'classes': CLASSES, 'category_ids': IDS}
        write_checkpoint(write_config(task, folder), folder / f'{task}.pth', **meta)
    return folder


@pytest.fixture(scope='session')
def predictors(model_files) -> dict[str, inference.Predictor]:
    """The models, loaded."""
    return {
        task: inference.load(model_files / f'{task}.py', model_files / f'{task}.pth', device='cpu', data='sample')
        for task in CONFIGS
    }


@pytest.fixture
def demo(model_files, predictors, monkeypatch, tmp_path):
    """``demo TASK ARGUMENTS`` in an empty folder, with a model that is loaded once; returns the exit code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, 'load', lambda config, *_, **__: predictors[Path(config).stem])

    def run(task: str, *arguments: object) -> int:
        model = [str(model_files / f'{task}.py'), str(model_files / f'{task}.pth')]
        return run_verb('demo', [*model, *map(str, arguments), '--data', 'sample', '--device', 'cpu'])

    return run


@pytest.fixture
def errors(capsys):
    """The lines on stderr that say what went wrong."""

    def read() -> list[str]:
        return [line for line in capsys.readouterr().err.splitlines() if line.startswith('error: ')]

    return read
