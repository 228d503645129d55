"""``train --recipe small``: what is kept in the run, and resumed to the last bit."""

import pytest
import torch

from convnext_dense.cli import run_verb
from convnext_dense.config import small_recipe
from convnext_dense.config.saved import settings_of_run
from tests.conftest import write_image_folder
from tests.helpers.small_run import BY_EPOCH, outcome, write_config

OPTIONS = [
    *(f'{loader}_dataloader.num_workers=0' for loader in ('train', 'val', 'test')),
    *(f'{loader}_dataloader.dataset.transform.input_size=32' for loader in ('train', 'val', 'test')),
    'default_hooks.logger.interval=1',
    'default_hooks.checkpoint.keep=3',
]


@pytest.fixture
def train(tmp_path, monkeypatch):
    """``train`` on 24 images in batches of 8, for 9 steps: 3 epochs."""
    monkeypatch.setattr(small_recipe, 'LEAST_STEPS', 9)
    config = write_config(tmp_path / 'by_epoch.py', BY_EPOCH.replace('max_epochs=3', 'max_epochs=1'))
    data = write_image_folder(tmp_path / 'images', train=8, val=2)

    def run(*arguments: str, options: tuple[str, ...] = ()) -> int:
        argv = [str(config), '--data', str(data), '--work-dir', str(tmp_path / 'run'), *arguments]
        return run_verb('train', [*argv, '--cfg-options', *OPTIONS, *options])

    return run


def test_a_resumed_run_keeps_what_the_recipe_set(train, tmp_path, monkeypatch, capsys):
    run = tmp_path / 'run'
    assert train('--recipe', 'small') == 0
    said = capsys.readouterr().out
    assert 'recipe small for 24 images: batch 8 (the config: 4096)' in said and '3 epochs (the config: 1)' in said
    saved = settings_of_run(run)
    assert saved['recipe']['images'] == 24 and saved['train_dataloader']['batch_size'] == 8
    whole = outcome(run)
    for name in ('epoch_2.pth', 'epoch_3.pth'):
        (run / name).unlink(missing_ok=True)
    monkeypatch.setattr(small_recipe, 'LEAST_STEPS', 1000)  # another rule, as of another version
    assert train('--resume') == 0  # the flag may be left out
    assert 'recipe small for 24 images, as the run was started with it' in capsys.readouterr().out
    again = outcome(run)
    assert again['log'] == whole['log']
    ours, theirs = (one['epoch_3.pth'] for one in (again, whole))
    for part in ('state_dict', 'ema_state_dict'):
        assert all(torch.equal(ours[part][name], value) for name, value in theirs[part].items())
    assert train('--resume', '--recipe', 'paper') == 2
    assert 'the run that is resumed has the recipe small' in capsys.readouterr().err


def test_flags_and_options_win(train, tmp_path, capsys):
    assert train('--recipe', 'small', '--epochs', '2', options=('optim_wrapper.optimizer.lr=0.125',)) == 0
    saved, said = settings_of_run(tmp_path / 'run'), capsys.readouterr().out
    assert saved['train_cfg']['max_epochs'] == 2 and saved['optim_wrapper']['optimizer']['lr'] == 0.125
    assert '2 epochs (--epochs)' in said and 'as given: optim_wrapper.optimizer.lr' in said


def test_a_batch_beyond_the_recipes_is_refused_and_a_smaller_one_accumulated(train, tmp_path, capsys):
    assert train('--recipe', 'small', '--batch', '12') == 2
    assert '--batch 12 is more than the total batch of --recipe small, 8' in capsys.readouterr().err
    assert train('--recipe', 'small', '--epochs', '1', '--batch', '4', '--lr', '0.25') == 0
    said = capsys.readouterr().out
    assert 'total batch 8 = 4 per process x 1 process x 2 accumulated; lr 0.25' in said
