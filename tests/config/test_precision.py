"""The precision of training follows the command line and the device."""

import pytest
import torch

from convnext_dense.config.precision import set_amp
from convnext_dense.errors import UserError


@pytest.mark.parametrize(
    ('gpu', 'amp', 'expected'),
    [
        (False, 'off', 'OptimWrapper'),
        (False, 'bf16', 'convnext_dense.BF16OptimWrapper'),
        (False, None, 'OptimWrapper'),
        (True, None, 'OptimWrapper'),
        (True, 'fp16', 'AmpOptimWrapper'),
        (True, 'bf16', 'convnext_dense.BF16OptimWrapper'),
    ],
)
def test_amp_chooses_the_wrapper(cfg, monkeypatch, gpu, amp, expected):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: gpu)
    monkeypatch.setattr(torch.cuda, 'is_bf16_supported', lambda **_: gpu)
    set_amp(cfg, amp)
    assert cfg.optim_wrapper.type == expected


def test_amp_that_the_device_cannot_do_is_an_error(cfg, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(UserError, match='--amp fp16 needs a GPU'):
        set_amp(cfg, 'fp16')
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'is_bf16_supported', lambda **_: False)
    monkeypatch.setattr(torch.cuda, 'get_device_name', lambda: 'Old GPU')
    with pytest.raises(UserError, match='bf16 does not work on Old GPU'):
        set_amp(cfg, 'bf16')


def test_a_config_with_amp_falls_back_without_a_gpu_and_says_so(cfg, monkeypatch, caplog):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    cfg.optim_wrapper.update(type='AmpOptimWrapper', dtype='float16')
    set_amp(cfg, None)
    assert cfg.optim_wrapper.type == 'OptimWrapper'
    assert 'dtype' not in cfg.optim_wrapper
    assert 'no GPU: mixed precision is off' in caplog.text
