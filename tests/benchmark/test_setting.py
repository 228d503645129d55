"""What a benchmark is run with."""

import pytest
import torch

from convnext_dense.benchmark.setting import Setting
from convnext_dense.errors import UserError


def test_a_device_that_is_not_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(UserError, match='finds no GPU on this machine'):
        Setting(torch.device('cuda'))
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'is_bf16_supported', lambda **_: False)
    monkeypatch.setattr(torch.cuda, 'get_device_name', lambda: 'Old GPU')
    with pytest.raises(UserError, match='--dtype bf16 does not work on Old GPU'):
        Setting(torch.device('cuda'), ('fp32', 'bf16'))
