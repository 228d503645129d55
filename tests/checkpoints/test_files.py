"""Checkpoint files."""

import pytest
import torch

from convnext_dense.checkpoints import files as checkpoint
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
    assert checkpoint.find_newest(tmp_path).name == 'epoch_10.pth'


def test_no_checkpoint_is_an_error(tmp_path):
    with pytest.raises(UserError, match='no checkpoint'):
        checkpoint.find_newest(tmp_path)
    with pytest.raises(UserError, match='no checkpoint'):
        checkpoint.find_newest(tmp_path / 'absent')


@pytest.mark.parametrize('name', ['epoch_3.pth', 'iter_10.pth', 'best.pth', 'commands.txt'])
def test_a_folder_with_a_training_run_is_refused(tmp_path, name):
    (tmp_path / 'linear.pth').touch()
    checkpoint.refuse_training_run(tmp_path)
    (tmp_path / name).touch()
    with pytest.raises(UserError, match=rf'{tmp_path} holds a training run \({name}\): choose another'):
        checkpoint.refuse_training_run(tmp_path)


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
    assert checkpoint.find_newest(tmp_path) == path


def test_a_checkpoint_inside_an_epoch_comes_between_the_epochs(tmp_path):
    for name in ('epoch_10.pth', 'epoch_9_iter_95.pth', 'epoch_9.pth', 'epoch_9_iter_104.pth', 'epoch_0_iter_3.pth'):
        (tmp_path / name).touch()
    names = [path.name for path in checkpoint.list_checkpoints(tmp_path)]
    assert names == [
        'epoch_0_iter_3.pth',
        'epoch_9.pth',
        'epoch_9_iter_95.pth',
        'epoch_9_iter_104.pth',
        'epoch_10.pth',
    ]


@pytest.mark.parametrize(
    ('names', 'found'),
    [
        (['model.safetensors', 'epoch_1.pth', 'epoch_2.pth'], 'epoch_2.pth'),
        (['open_clip_model.safetensors', 'iter_7.pth'], 'iter_7.pth'),
        (['model.safetensors', 'linear.pth'], 'linear.pth'),
        (['linear.pth', 'epoch_1.pth'], 'epoch_1.pth'),
        (['model.safetensors', 'config.json', 'training_args.pth'], 'model.safetensors'),
    ],
)
def test_a_run_in_a_folder_comes_before_its_export_for_a_hub(names, found, tmp_path, monkeypatch):
    for name in names:
        torch.save({}, tmp_path / name)
    assert checkpoint.find(tmp_path) == checkpoint.find(f'{tmp_path}/') == tmp_path / found
    assert checkpoint.find(tmp_path / names[0]) == tmp_path / names[0]  # a file by its name
    monkeypatch.chdir(tmp_path)
    assert checkpoint.find('.').name == found


def test_a_folder_with_an_adapter_is_read_as_one(tmp_path):
    """So that the error says what to do with it."""
    (tmp_path / 'adapter_model.safetensors').write_bytes(b'x')
    assert checkpoint.find(tmp_path).name == 'adapter_model.safetensors'
    torch.save({}, tmp_path / 'epoch_1.pth')
    assert checkpoint.find(tmp_path).name == 'epoch_1.pth'
