"""The manifest of checkpoints: what it says of each file, and how a damaged file is found."""

import hashlib
import json
import os

import pytest
import torch

from convnext_dense.checkpoints import files as checkpoint
from convnext_dense.checkpoints import manifest
from convnext_dense.errors import UserError


def write_three(folder):
    for epoch in (1, 2, 3):
        content = {'meta': {'epoch': epoch, 'iter': 10 * epoch}, 'weights': torch.randn(1000)}
        checkpoint.write(content, folder / f'epoch_{epoch}.pth')


def flip_one_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize('listed', [True, False])
@pytest.mark.parametrize('spoil', [flip_one_bit, truncate, lambda path: path.write_bytes(b'')])
def test_a_damaged_checkpoint_is_named_and_passed_over(tmp_path, caplog, spoil, listed):
    write_three(tmp_path)
    if not listed:
        (tmp_path / 'checkpoints.json').unlink()
    assert checkpoint.find_newest(tmp_path).name == 'epoch_3.pth'
    spoil(tmp_path / 'epoch_3.pth')
    assert checkpoint.find_newest(tmp_path).name == 'epoch_2.pth'
    assert f'{tmp_path}/epoch_3.pth is damaged and skipped' in caplog.text
    with pytest.raises(UserError, match=r'epoch_3\.pth is truncated or damaged'):
        manifest.check(tmp_path / 'epoch_3.pth')
    manifest.check(tmp_path / 'epoch_2.pth')
    for epoch in (1, 2):
        spoil(tmp_path / f'epoch_{epoch}.pth')
    with pytest.raises(UserError, match=r'no intact checkpoint in .*epoch_3.*epoch_2.*epoch_1'):
        checkpoint.find_newest(tmp_path)


def test_the_manifest_has_what_is_in_the_files(tmp_path):
    write_three(tmp_path)
    for path in checkpoint.list_checkpoints(tmp_path):
        entry = json.loads((tmp_path / 'checkpoints.json').read_text())[path.name]
        content = path.read_bytes()
        assert entry['sha256'] == hashlib.sha256(content).hexdigest()
        assert entry['size'] == len(content)
        assert entry['step'] == torch.load(path)['meta']['iter']


class Killed(BaseException):
    pass


@pytest.mark.parametrize('function', ['open', 'replace', 'fsync'])
def test_whenever_a_write_is_killed_the_manifest_knows_the_file(tmp_path, monkeypatch, function):
    """Killed at the first, second, ... disk call, the file is the complete old or new one, as in the manifest."""
    path = tmp_path / 'best.pth'
    checkpoint.write({'a': 'old'}, path)
    manifest.prune(tmp_path, path.name)
    seen = set()
    for allowed in range(20):
        calls, original = [], getattr(os, function)

        def call(*args, original=original, calls=calls, allowed=allowed):
            calls.append(args)
            if len(calls) > allowed:
                raise Killed
            return original(*args)

        monkeypatch.setattr(os, function, call)
        try:
            checkpoint.write({'a': 'new'}, path)
        except Killed:
            pass
        else:
            break
        finally:
            monkeypatch.undo()
        assert manifest.damage(path) is None
        seen.add(torch.load(path)['a'])
    assert len(calls) <= allowed
    assert 'old' in seen
    manifest.prune(tmp_path, path.name)
    assert json.loads((tmp_path / 'checkpoints.json').read_text())[path.name].keys() == {
        'sha256',
        'size',
        'epoch',
        'step',
    }
