"""Disk space for checkpoints."""

import shutil
from types import SimpleNamespace

import pytest
import torch

from convnext_dense.checkpoints import disk
from convnext_dense.engine.csv_log import read_scalars
from convnext_dense.errors import UserError
from tests.helpers.small_run import train


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


def test_a_disk_without_room_for_two_checkpoints_is_refused_before_the_first_step(
    by_epoch, data, uncut, tmp_path, monkeypatch, capsys
):
    content = torch.load(uncut / 'epoch_3.pth', weights_only=True)
    size = disk.tensor_bytes(content)
    free = SimpleNamespace(free=2 * size - 10 * len(content['optimizer']['state']))  # the moments' counters are small
    monkeypatch.setattr(shutil, 'disk_usage', lambda _: free)
    assert train(by_epoch, data, tmp_path) == 2
    assert 'there must be room for two' in capsys.readouterr().err
    assert not read_scalars(tmp_path)
    free.free = 2 * size
    assert train(by_epoch, data, tmp_path) == 0
    assert 'the run keeps 2 and writes the next' in capsys.readouterr().out


@pytest.mark.parametrize('name', ['by_epoch.py', 'commands.txt'])
def test_a_disk_that_is_full_before_the_start_is_said_in_one_line(by_epoch, data, tmp_path, capsys, name):
    """The kernel's own ENOSPC, from /dev/full, for what a run writes before it looks for room."""
    (tmp_path / name).symlink_to('/dev/full')
    assert train(by_epoch, data, tmp_path) == 2
    assert f'error: {tmp_path} cannot be written (No space left on device)' in capsys.readouterr().err
