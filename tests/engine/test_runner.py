"""A run of the runner: seeds and mixed precision."""

from pathlib import Path

from convnext_dense.engine.csv_log import read_scalars
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


def test_bf16_on_cpu_trains(image_folder, tmp_path):
    assert train(image_folder, tmp_path, '--amp', 'bf16', '--epochs', '1') == 0
    assert all(0 < loss < 10 for _, loss in losses(tmp_path))
