"""Checkpoint files."""

import pytest
import torch

from convnext_dense.engine import checkpoint
from convnext_dense.errors import UserError


def test_newest_goes_by_number_not_by_name_or_time(tmp_path):
    for name in (
        'epoch_2.pth',
        'epoch_10.pth',
        'epoch_9.pth',
        'best_raw_top1_epoch_99.pth',
        '.7.epoch_11.pth',
    ):
        torch.save({}, tmp_path / name)
    assert checkpoint.newest(tmp_path).name == 'epoch_10.pth'


def test_no_checkpoint_is_an_error(tmp_path):
    with pytest.raises(UserError, match='no checkpoint'):
        checkpoint.newest(tmp_path)
    with pytest.raises(UserError, match='no checkpoint'):
        checkpoint.newest(tmp_path / 'absent')


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / 'epoch_1.pth'
    checkpoint.write({'a': 1}, path)

    def fail(content, file):
        file.write(b'half')
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(torch, 'save', fail)
    with pytest.raises(UserError, match='No space'):
        checkpoint.write({'a': 2}, path)
    assert torch.load(path) == {'a': 1}
    assert {p.name for p in tmp_path.iterdir()} == {'epoch_1.pth', 'checkpoints.json'}
    assert checkpoint.newest(tmp_path) == path
