"""A run of the runner: seeds and mixed precision."""

from pathlib import Path
from unittest.mock import Mock

from convnext_dense.checkpoints import lock
from convnext_dense.engine.csv_log import read_scalars
from convnext_dense.errors import UserError
from tests.helpers.run_tool import train


def losses(work_dir: Path) -> list[tuple[int, float]]:
    return read_scalars(work_dir)['train/loss']


def test_same_seed_same_losses_whatever_the_workers_and_another_seed_others(image_folder, tmp_path):
    workers = ('train_dataloader.num_workers=2',)
    assert train(image_folder, tmp_path / 'a', '--seed', '5') == 0
    assert train(image_folder, tmp_path / 'b', '--seed', '5', options=workers) == 0
    assert train(image_folder, tmp_path / 'c', '--seed', '6') == 0
    assert losses(tmp_path / 'a') == losses(tmp_path / 'b')
    assert all(x != y for x, y in zip(losses(tmp_path / 'a'), losses(tmp_path / 'c'), strict=True))


def test_a_run_that_is_refused_before_its_first_step_frees_its_work_dir(image_folder, tmp_path, capsys, monkeypatch):
    """As in a notebook, where the corrected call is made in the same process."""
    refused = UserError('the parts do not fit')
    for target in ('check_first_step', 'warn_of_load', 'DataCheck'):
        with monkeypatch.context() as patched:
            patched.setattr(f'convnext_dense.cli.commands.train.{target}', Mock(side_effect=refused))
            assert train(image_folder, tmp_path) == 2
        assert 'the parts do not fit' in capsys.readouterr().err
    assert train(image_folder, tmp_path, '--epochs', '1') == 0
    with lock.acquire(tmp_path):  # free after a run, too
        assert train(image_folder, tmp_path, '--resume', '--epochs', '1') == 2
    assert 'is active' in capsys.readouterr().err


def test_bad_input_leaves_no_work_dir_before_the_first_step_and_keeps_it_after(own_image_folder, tmp_path, capsys):
    work_dir = tmp_path / 'runs/new'
    loaders = ('train_dataloader.num_workers=0', 'train_dataloader.persistent_workers=False')
    assert train(own_image_folder, work_dir, options=('model.head.type=mmdet.Hed',)) == 2
    assert not (tmp_path / 'runs').exists()
    for image in (own_image_folder / 'train').rglob('*.jpg'):
        image.write_bytes(image.read_bytes()[:400])
    assert train(own_image_folder, work_dir, options=loaders) == 2
    assert 'bad image' in capsys.readouterr().err and not (tmp_path / 'runs').exists()
    tmp_path.joinpath('runs/new').mkdir(parents=True)
    assert train(own_image_folder, work_dir, options=loaders) == 2
    assert work_dir.exists(), 'it was there before'


def test_bf16_on_cpu_trains(image_folder, tmp_path):
    assert train(image_folder, tmp_path, '--amp', 'bf16', '--epochs', '1') == 0
    assert all(0 < loss < 10 for _, loss in losses(tmp_path))
