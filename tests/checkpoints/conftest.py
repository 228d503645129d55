"""Configs, data and an uncut run that the tests of this folder share."""

from pathlib import Path

import pytest

from tests.conftest import write_image_folder
from tests.helpers.small_run import BY_EPOCH, train, write_config


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> Path:
    return write_image_folder(tmp_path_factory.mktemp('data') / 'images', train=8, val=2)


@pytest.fixture(scope='module')
def by_epoch(tmp_path_factory) -> Path:
    return write_config(tmp_path_factory.mktemp('config') / 'by_epoch.py', BY_EPOCH)


@pytest.fixture(scope='module')
def uncut(by_epoch, data, tmp_path_factory) -> Path:
    """A run that was not interrupted."""
    work_dir = tmp_path_factory.mktemp('runs') / 'uncut'
    assert train(by_epoch, data, work_dir) == 0
    return work_dir
