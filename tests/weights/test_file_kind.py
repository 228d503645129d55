"""What files are by their first bytes, without loading them."""

import pytest
import torch
from safetensors.torch import save_file

from convnext_dense.errors import UserError
from convnext_dense.weights.file_kind import check_not_foreign, file_kind, is_foreign


@pytest.fixture
def files(tmp_path):
    tensors = {'a': torch.zeros(2)}
    torch.save(tensors, tmp_path / 'zip')
    torch.save(tensors, tmp_path / 'pickle', _use_new_zipfile_serialization=False)
    save_file(tensors, tmp_path / 'safetensors')
    (tmp_path / 'empty').touch()
    (tmp_path / 'web page').write_text('\n<!DOCTYPE html><html>')
    (tmp_path / 'unknown').write_text('# About\n\nThis is a model.\n')
    (tmp_path / 'model.safetensors.index.json').write_text('{"weight_map": {}}')
    return tmp_path


def test_kinds(files):
    for kind in ('zip', 'pickle', 'safetensors', 'empty', 'web page', 'unknown'):
        assert file_kind((files / kind).read_bytes()[:64]) == kind


def test_what_is_foreign_is_said_and_nothing_else(files):
    for name in ('zip', 'pickle', 'safetensors', 'empty', 'model.safetensors.index.json', '.', 'absent'):
        assert not is_foreign(files / name)
        check_not_foreign(files / name)
    for name, said in (('web page', 'is a web page, not a checkpoint'), ('unknown', 'is not a checkpoint: expected')):
        assert is_foreign(files / name)
        with pytest.raises(UserError, match=f'{name} {said}'):
            check_not_foreign(files / name)
