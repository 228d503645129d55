"""The split of a run in its work dir."""

import logging
from types import SimpleNamespace

import pytest

from convnext_dense.data.splits import SplitRule
from convnext_dense.data.subset import FILE_NAME, make_split, read_split
from convnext_dense.engine import KeepSplit
from convnext_dense.errors import UserError

NAMES = [f'{number}.jpg' for number in range(10)]


def runner_of(tmp_path, *datasets):
    loader = SimpleNamespace(dataset=SimpleNamespace(datasets=list(datasets)))
    return SimpleNamespace(
        train_loop=SimpleNamespace(dataloader=loader), logger=logging.getLogger('test'), work_dir=str(tmp_path)
    )


def dataset_of(share: float | None) -> SimpleNamespace:
    split = None if share is None else make_split(SplitRule(share), '/data', NAMES, [('a',)] * 10)
    return SimpleNamespace(kept_split=split)


def test_the_split_of_the_training_data_is_written_and_said(tmp_path, caplog):
    with caplog.at_level('INFO'):
        KeepSplit().before_train(runner_of(tmp_path, dataset_of(0.2), SimpleNamespace(), dataset_of(None)))
    assert caplog.messages == ['split: 8 images for training, 2 for validation (20.0%), by name, seed 0']
    assert len(read_split(tmp_path / FILE_NAME).names['val']) == 2


def test_without_a_split_nothing_is_written(tmp_path):
    KeepSplit().before_train(runner_of(tmp_path, SimpleNamespace(), dataset_of(None)))
    assert not (tmp_path / FILE_NAME).exists()


def test_a_run_has_one_split(tmp_path):
    with pytest.raises(
        UserError, match='a run keeps the split of one data set, and subset is set for /data: split one'
    ):
        KeepSplit().before_train(runner_of(tmp_path, dataset_of(0.2), dataset_of(0.3)))
