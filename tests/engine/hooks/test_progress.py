"""The progress bar."""

import logging
from pathlib import Path

import pytest

from convnext_dense.engine import ProgressBar, Runner
from convnext_dense.engine.hooks.progress import _no_iterations
from tests.helpers import toy
from tests.helpers.run_tool import train


def test_the_bar_leaves_the_terminal_whatever_happens(image_folder, tmp_path, monkeypatch):
    closed = []
    monkeypatch.setattr(ProgressBar, 'close', lambda self: closed.append(1))
    monkeypatch.setattr(Runner, 'save_checkpoint', lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train(image_folder, tmp_path)
    assert closed


def lines(run) -> list[str]:
    text = next(Path(run.log_dir).glob('*.log')).read_text()
    return [line.split(' - INFO - ')[1] for line in text.splitlines() if ' - INFO - ' in line]


def test_the_line_is_shown_above_the_progress_bar(tmp_path):
    run = toy.runner(tmp_path, {})
    run.train()
    records = {line: logging.LogRecord('mmengine', logging.INFO, '', 0, line, None, None) for line in lines(run)}
    shown = [line for line, record in records.items() if _no_iterations(record)]
    assert any(line.startswith('first step') for line in shown)
    assert not any(line.startswith('Epoch(train)') for line in shown)
