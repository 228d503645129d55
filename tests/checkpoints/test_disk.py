"""Room for checkpoints."""

import shutil
from types import SimpleNamespace

import pytest
import torch

from convnext_dense.checkpoints import disk
from convnext_dense.errors import UserError


@pytest.mark.parametrize(
    ('free', 'present', 'outcome'),
    [
        (199, 0, 'refused'),
        (200, 0, 'warned'),
        (399, 0, 'warned'),
        (400, 0, 'fine'),  # three that stay, and one in the making
        (99, 5, 'refused'),
        (100, 1, 'warned'),
        (100, 3, 'fine'),
        (199, 2, 'warned'),
    ],
)
def test_two_checkpoints_must_fit_and_less_than_all_is_warned_of(monkeypatch, free, present, outcome):
    monkeypatch.setattr(shutil, 'disk_usage', lambda _: SimpleNamespace(free=free * 10**6))
    if outcome == 'refused':
        with pytest.raises(UserError, match=r'has .* MB free, and one checkpoint takes 100 MB'):
            disk.check_space('w', 100 * 10**6, present, keep=3)
    else:
        warning = disk.check_space('w', 100 * 10**6, present, keep=3)
        assert (warning is not None) == (outcome == 'warned')


def test_sizes():
    content = {'a': [torch.zeros(3), {'b': torch.zeros(2, 2, dtype=torch.float64)}], 'c': 'text'}
    assert disk.tensor_bytes(content) == 3 * 4 + 4 * 8
    sizes = [disk.format_bytes(size) for size in (0, 999, 1000, 2_345_678, 5e9, 2e12, 3e15)]
    assert sizes == ['0 bytes', '999 bytes', '1 kB', '2.346 MB', '5 GB', '2 TB', '3000 TB']
