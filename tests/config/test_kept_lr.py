"""The line about an lr that stays while the options change the total batch that it is for."""

import pytest

from convnext_dense.config.kept_lr import describe_kept_lr
from convnext_dense.config.read import read_config

ATTO = 'configs/classification/convnext_a.py'
TOTAL, LR = 'train_cfg.total_batch_size', 'optim_wrapper.optimizer.lr'


def described(path, options, data=None, without=(), processes=1):
    cfg = read_config(path, options, data, needs_data=False, without=without)
    return describe_kept_lr(cfg, path, options, data, without, processes)


@pytest.mark.parametrize(
    ('options', 'without', 'batch', 'own', 'lr', 'suggested'),
    [
        ({TOTAL: 4, 'train_dataloader.batch_size': 4}, (), 4, 4096, 0.004, '0.000125'),  # 1/1024: 1/32 of it
        ({TOTAL: 1024}, (), 1024, 4096, 0.004, '0.002'),
        ({TOTAL: 16384}, (), 16384, 4096, 0.004, '0.008'),
        ({TOTAL: None, 'train_dataloader.batch_size': 32}, (), 64, 4096, 0.004, '0.0005'),  # of 2 processes
        ({TOTAL: 1024}, ('adamw',), 1024, 4096, 1.6, '0.4'),  # SGD: in proportion
        ({'train_cfg': dict(total_batch_size=1024)}, (), 1024, 4096, 0.004, '0.002'),
    ],
)
def test_a_batch_without_its_lr(options, without, batch, own, lr, suggested):
    assert described(ATTO, options, without=without, processes=2) == (
        f"the total batch that the lr is for is {batch}, the config's own {own}, and the lr is still {lr}: give one "
        f'for {batch} as well, such as --cfg-options {LR}={suggested}'
    )


@pytest.mark.parametrize(
    'options',
    [
        {},
        {TOTAL: 4096},
        {'train_dataloader.batch_size': 4},
        {TOTAL: 4, LR: 1e-4},
        {TOTAL: 4, LR: 0.004},
        {TOTAL: 4, 'optim_wrapper.optimizer': dict(lr=1e-4)},
        {TOTAL: None, 'auto_scale_lr': dict(enable=True, base_batch_size=4096)},
    ],
    ids=str,
)
def test_nothing_is_said_where_both_are_given_or_none(options):
    if 'auto_scale_lr' in options:
        cfg = read_config(ATTO, {TOTAL: None}, needs_data=False)
        cfg.auto_scale_lr = options['auto_scale_lr']
        assert describe_kept_lr(cfg, ATTO, {TOTAL: None}, None, (), 1) == ''
    else:
        assert described(ATTO, options) == ''


def test_the_settings_for_the_sample_are_the_configs_own():
    own = read_config(ATTO, data='sample', needs_data=False)
    assert own.train_cfg.total_batch_size != 4096
    assert described(ATTO, {TOTAL: own.train_cfg.total_batch_size}, 'sample') == ''
    assert f"the config's own {own.train_cfg.total_batch_size}," in described(ATTO, {TOTAL: 7}, 'sample')
