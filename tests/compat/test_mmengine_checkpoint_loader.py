"""mmengine reads checkpoints by our reader; its own runs code in them."""

import os
import subprocess
import sys
from pathlib import Path

import torch
from mmengine.runner.checkpoint import CheckpointLoader

from convnext_dense.compat.mmengine_checkpoint_loader import read_checkpoints_with


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
