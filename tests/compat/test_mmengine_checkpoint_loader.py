"""mmengine reads checkpoints by our reader; its own runs code in them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.model.weight_init import PretrainedInit, initialize
from mmengine.runner.checkpoint import CheckpointLoader
from torch import nn

from convnext_dense.compat.mmengine_checkpoint_loader import initialize_with, read_checkpoints_with


class Canary:
    """A file appears where this is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_mmengines_own_loader_still_runs_code(tmp_path):
    torch.save({'state_dict': {}, 'meta': Canary(tmp_path / 'canary')}, tmp_path / 'evil.pth')
    code = 'import sys; from mmengine.runner.checkpoint import CheckpointLoader as L; L.load_checkpoint(sys.argv[1])'
    subprocess.run([sys.executable, '-W', 'ignore', '-c', code, tmp_path / 'evil.pth'], check=True, timeout=100)
    assert (tmp_path / 'canary').exists(), 'mmengine reads safely by itself: remove mmengine_checkpoint_loader.py'


def test_every_source_is_read_by_the_function(monkeypatch):
    monkeypatch.setattr(CheckpointLoader, '_schemes', dict(CheckpointLoader._schemes))
    read_checkpoints_with(lambda source: {'read': source})
    for source in ('w.pth', 'https://host/w.pth', 'torchvision://resnet50', 'open-mmlab://x', 's3://bucket/w.pth'):
        assert CheckpointLoader.load_checkpoint(source) == {'read': source}


@pytest.mark.parametrize('kind', ['Pretrained', PretrainedInit])
def test_a_function_initializes_the_modules_that_it_takes(kind, monkeypatch):
    monkeypatch.setattr(PretrainedInit, '__call__', PretrainedInit.__call__)
    monkeypatch.setattr(CheckpointLoader, '_schemes', dict(CheckpointLoader._schemes))
    read_checkpoints_with(lambda source: {'weight': torch.full((1, 1), 2.0), 'bias': torch.zeros(1)})
    given = []

    def load(module: nn.Module, source: str, prefix: str | None) -> bool:
        given.append((type(module), source, prefix))
        return isinstance(module, nn.Conv2d)

    for _ in range(2):  # a second time replaces the first
        initialize_with(load)
    linear, conv = nn.Linear(1, 1), nn.Conv2d(1, 1, 1)
    for module in (linear, conv):
        initialize(module, dict(type=kind, checkpoint='w.pth'))
    assert given == [(nn.Linear, 'w.pth', None), (nn.Conv2d, 'w.pth', None)]
    assert linear.weight.item() == 2 and conv.weight.item() != 2
