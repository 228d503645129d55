"""The progress bar."""

import pytest

from convnext_dense.engine import ProgressBar, Runner
from tests.helpers.run_tool import train


def test_the_bar_leaves_the_terminal_whatever_happens(image_folder, tmp_path, monkeypatch):
    closed = []
    monkeypatch.setattr(ProgressBar, 'close', lambda self: closed.append(1))
    monkeypatch.setattr(Runner, 'save_checkpoint', lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train(image_folder, tmp_path)
    assert closed
