"""Accumulated batches against one large batch, through the real runner, in double precision."""

from pathlib import Path

import pytest
import torch

from convnext_dense.data import ImageFolder
from convnext_dense.registry import DATASETS
from tests.helpers.run_tool import ATTO, train_config


@DATASETS.register_module(force=True)
class DoubleImageFolder(ImageFolder):
    def __getitem__(self, key):
        sample = super().__getitem__(key)
        return {**sample, 'image': sample['image'].double()}


@pytest.fixture
def _double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def checkpoint(data: Path, work_dir: Path, batch: int) -> dict:
    options = {
        'train_dataloader.batch_size': batch,
        'train_dataloader.dataset.type': 'convnext_dense.DoubleImageFolder',
        'train_cfg.total_batch_size': 32,
        'train_cfg.max_epochs': 4,
        'default_hooks.ema.momentum': 0.3,
    }
    train_config(ATTO, data, work_dir, options)
    return torch.load(work_dir / 'epoch_4.pth', weights_only=True)


@pytest.mark.usefixtures('_double')
def test_four_times_eight_is_thirty_two(image_folder, tmp_path):
    one, four = (checkpoint(image_folder, tmp_path / str(batch), batch) for batch in (32, 8))
    assert one['meta']['iter'] == four['meta']['iter'] == 4  # 48 images: one step an epoch
    for kind in ('state_dict', 'ema_state_dict'):
        for name, tensor in one[kind].items():
            assert tensor.dtype == torch.float64
            assert torch.allclose(tensor, four[kind][name], rtol=0, atol=1e-6), (kind, name)
    moved = (one['state_dict']['head.weight'] - one['ema_state_dict']['head.weight']).abs().max()
    assert moved > 1e-4  # the average is not the weights, so both were compared
