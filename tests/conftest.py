"""Fixtures that several test files share."""

import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convnext_dense.io import files

COLORS = {'blue': (40, 60, 220), 'green': (40, 200, 60), 'red': (220, 50, 40)}


# A job that a shell starts in the background ignores Ctrl-C, and so would what the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
torch.set_num_threads(1)  # the tensors are small: more threads would only wait for each other


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def write_image_folder(root: Path, train: int = 16, val: int = 6, size: int = 48) -> Path:
    """Three classes, told apart by color, in ImageNet's layout."""
    rng = np.random.default_rng(0)
    for split, count in (('train', train), ('val', val)):
        for name, color in COLORS.items():
            folder = root / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                noise = rng.normal(0, 25, (size, size, 3)) + np.array(color)
                Image.fromarray(noise.clip(0, 255).astype(np.uint8)).save(folder / f'{i:02d}.jpg')
    return root


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    """A file that can't be read is tried as often as ever, but at once."""
    monkeypatch.setattr(files, 'RETRY_DELAYS', (0,) * len(files.RETRY_DELAYS))


@pytest.fixture(scope='session')
def image_folder(tmp_path_factory) -> Path:
    """An image folder that no test changes."""
    return write_image_folder(tmp_path_factory.mktemp('image_folder'))


@pytest.fixture
def own_image_folder(tmp_path) -> Path:
    """An image folder that the test may spoil."""
    return write_image_folder(tmp_path / 'images', train=8, val=2)


@pytest.fixture
def error(capsys):
    """The one line on stderr."""

    def read() -> str:
        lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith('error: ')]
        assert len(lines) == 1
        return lines[0]

    return read
