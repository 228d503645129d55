"""Reading files of weights, and what only looks like one, without running what is in them."""

import argparse
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub
from safetensors.torch import save_file

from convnext_dense.errors import UserError
from convnext_dense.weights.reader import read_checkpoint


class Canary:
    """A file appears where this is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def weights() -> dict:
    return {f'layer{i}.weight': torch.randn(64, 32) for i in range(4)}


def damaged(tmp_path: Path, kind: str) -> Path:
    path = tmp_path / f'{kind}.pth'
    torch.save({'state_dict': weights()}, tmp_path / 'whole.pth')
    torch.save(weights(), tmp_path / 'legacy.pth', _use_new_zipfile_serialization=False)
    save_file(weights(), tmp_path / 'whole.safetensors')
    whole, old, safe = ((tmp_path / f).read_bytes() for f in ('whole.pth', 'legacy.pth', 'whole.safetensors'))
    contents = {
        'truncated': whole[: len(whole) // 2],
        'one byte short': whole[:-1],
        'legacy cut off': old[: len(old) // 2],
        'safetensors cut off': safe[:-100],
        'safetensors cut off early': safe[:40],
        'random': bytes(range(256)) * 8,
        'random pickle': b'\x80' + bytes(range(7, 256)) * 8,
        'html': b'\n<!DOCTYPE html><html>Not found</html>',
        'short': b'PK',
        'empty': b'',
    }
    if kind in contents:
        path.write_bytes(contents[kind])
    elif kind == 'folder':
        path.mkdir()
    elif kind == 'list':
        torch.save([1, 2], path)
    return path


@pytest.mark.filterwarnings('ignore:Detected pickle protocol')
@pytest.mark.parametrize(
    ('kind', 'said'),
    [
        ('missing', 'no checkpoint at'),
        ('folder', 'is a folder'),
        ('empty', 'is empty'),
        ('truncated', 'truncated or damaged'),
        ('one byte short', 'truncated or damaged'),
        ('legacy cut off', 'truncated or damaged'),
        ('safetensors cut off', 'truncated or damaged'),
        ('safetensors cut off early', 'truncated or damaged'),
        ('random pickle', 'truncated or damaged'),
        ('random', 'not a checkpoint: expected a file of torch.save'),
        ('short', 'not a checkpoint: expected a file of torch.save'),
        ('html', 'is a web page'),
        ('list', 'holds a list'),
    ],
)
def test_what_is_no_checkpoint_is_said(tmp_path, kind, said):
    path = damaged(tmp_path, kind)
    with pytest.raises(UserError, match=said) as error:
        read_checkpoint(path)
    assert str(path) in str(error.value)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize('suffix', ['safetensors', 'pth'])
def test_safetensors_are_read_whatever_their_suffix(tmp_path, suffix):
    saved = weights()
    save_file(saved, tmp_path / f'w.{suffix}')
    read = read_checkpoint(tmp_path / f'w.{suffix}')
    assert read.keys() == saved.keys()
    assert all(torch.equal(tensor, saved[name]) for name, tensor in read.items())


def evil(path: Path, canary: Path, bare: bool = False) -> Path:
    content = {'state_dict': {}, 'meta': Canary(canary)}
    if bare:
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path)
    return path


@pytest.mark.filterwarnings('ignore:Detected pickle protocol')
@pytest.mark.parametrize('bare', [False, True])
def test_a_pickle_that_would_run_code_is_refused_and_not_run(tmp_path, bare):
    canary = tmp_path / 'canary'
    with pytest.raises(UserError, match='could run code') as error:
        read_checkpoint(evil(tmp_path / 'evil.pth', canary, bare))
    assert '--trust-pickle' in str(error.value)
    assert not canary.exists()


def test_trust_is_for_one_read_and_its_risk_is_printed(tmp_path, capsys):
    canary = tmp_path / 'canary'
    trusted, other = evil(tmp_path / 'trusted.pth', canary), evil(tmp_path / 'other.pth', canary)
    with pytest.raises(UserError, match='could run code'):
        read_checkpoint(other)
    assert not canary.exists()
    assert capsys.readouterr().err == ''
    assert read_checkpoint(trusted, trust_pickle=True)['state_dict'] == {}
    assert f'reading {trusted} may run any code that it contains' in capsys.readouterr().err
    assert canary.exists()
    canary.unlink()
    with pytest.raises(UserError, match='could run code'):
        read_checkpoint(trusted)
    assert not canary.exists()


def test_what_other_trainers_put_beside_the_weights_is_passed_over(tmp_path):
    hub = MessageHub.get_instance('test_reading')
    hub.update_scalar('train/loss', 0.5)
    hub.update_info('numbers', np.arange(3.0))
    hub.update_info('number', np.float64(3))
    saved = weights()
    content = {
        'state_dict': saved,
        'message_hub': hub.state_dict(),
        'args': argparse.Namespace(lr=0.1, output_dir=Path('x')),
        'epoch': 7,
    }
    torch.save(content, tmp_path / 'w.pth')
    read = read_checkpoint(tmp_path / 'w.pth')
    assert all(torch.equal(tensor, saved[name]) for name, tensor in read['state_dict'].items())
    assert read['epoch'] == 7
    assert not hasattr(read['args'], 'lr')


def test_the_stand_ins_for_such_objects_run_nothing(tmp_path):
    """getattr(canary's class, 'touch') is how a pickle could reach methods."""
    canary = tmp_path / 'canary'

    class Reach:
        def __reduce__(self):
            return getattr, (argparse.Namespace(), 'touch')

    class Call:
        def __reduce__(self):
            return Path.touch, (canary,)

    torch.save({'w': torch.ones(1), 'a': Reach()}, tmp_path / 'w.pth')
    assert read_checkpoint(tmp_path / 'w.pth')['w'] == 1
    torch.save({'w': torch.ones(1), 'a': Reach(), 'b': Call()}, tmp_path / 'w.pth')
    with pytest.raises(UserError, match='could run code'):
        read_checkpoint(tmp_path / 'w.pth')
    assert not canary.exists()


def split(tmp_path: Path) -> tuple[Path, dict]:
    """Weights in two files and their list, as transformers saves large ones."""
    whole = weights()
    names = {name: f'model-0000{1 + i // 2}-of-00002.safetensors' for i, name in enumerate(whole)}
    for file in set(names.values()):
        save_file({name: tensor for name, tensor in whole.items() if names[name] == file}, tmp_path / file)
    index = tmp_path / 'model.safetensors.index.json'
    index.write_text(json.dumps({'metadata': {'total_size': 1}, 'weight_map': names}))
    return index, whole


def test_weights_that_are_split_into_files_are_read_by_their_list(tmp_path):
    index, whole = split(tmp_path)
    read = read_checkpoint(index)
    assert read.keys() == whole.keys()
    assert all(torch.equal(read[name], tensor) for name, tensor in whole.items())
    part = tmp_path / 'model-00002-of-00002.safetensors'
    with pytest.raises(
        UserError, match=r'00002\.safetensors is one of several files of a model: take model\.safetensors\.in'
    ):
        read_checkpoint(part)
    part.unlink()
    with pytest.raises(UserError, match=rf'^no {part.name} in .*, which has only a part of its model: add the file$'):
        read_checkpoint(index)


@pytest.mark.parametrize(
    'content', ['', '[]', '{"weight_map": 3}', '{"weight_map": {"a": "../b"}}', '{"weight_map": [1]}']
)
def test_what_is_no_list_of_files_is_said(content, tmp_path):
    index = tmp_path / 'model.safetensors.index.json'
    index.write_text(content)
    with pytest.raises(UserError, match=r'index\.json is not a list of the files of a model'):
        read_checkpoint(index)


def test_the_only_file_of_a_model_is_no_part(tmp_path):
    path = tmp_path / 'model-00001-of-00001.safetensors'
    save_file(weights(), path)
    assert len(read_checkpoint(path)) == 4
