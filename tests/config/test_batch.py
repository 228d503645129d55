"""--batch-size: the batch of an optimizer step, and the lr that follows it."""

import math

import pytest

from convnext_dense.config.batch import set_batch_size
from convnext_dense.config.read import read_config
from convnext_dense.errors import UserError


def read(config, options=None):
    return read_config(f'configs/{config}.py', options, needs_data=False)


@pytest.mark.parametrize(
    ('config', 'images', 'processes', 'per_process', 'factor'),
    [
        ('classification/convnext_t', 16, 1, 16, math.sqrt(16 / 4096)),
        ('classification/convnext_t', 1024, 2, 128, math.sqrt(1024 / 4096)),
        ('seg/upernet_convnext_t_ade20k', 4, 4, 1, math.sqrt(4 / 16)),
        ('roadmap/r50_00_baseline', 16, 1, 16, 16 / 256),  # SGD
    ],
)
def test_batch_and_lr(config, images, processes, per_process, factor):
    cfg = read(config)
    lr = cfg.optim_wrapper.optimizer.lr
    line = set_batch_size(cfg, images, processes)
    assert cfg.train_cfg.total_batch_size == images
    assert cfg.train_dataloader.batch_size == per_process
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(lr * factor)
    assert line.startswith(f'--batch-size {images}: lr {lr * factor:.3g}, from {lr:g} at ')


def test_an_lr_that_is_set_is_for_the_new_batch():
    options = {'optim_wrapper.optimizer.lr': 1e-3}
    cfg = read('classification/convnext_t', options)
    assert set_batch_size(cfg, 16, 1, options) == '--batch-size 16: the lr is not changed'
    assert cfg.optim_wrapper.optimizer.lr == 1e-3


def test_contradictions():
    cfg = read('classification/convnext_t')
    with pytest.raises(UserError, match='--batch-size 2: take at least 4'):
        set_batch_size(cfg, 2, 4)
    with pytest.raises(UserError, match=r'--cfg-options train_cfg\.total_batch_size=\.\.\. set the same'):
        set_batch_size(cfg, 16, 1, {'train_cfg.total_batch_size': 32})
