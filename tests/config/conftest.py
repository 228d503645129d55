"""The config that the tests here change."""

import pytest

from convnext_dense.config.read import read_config


@pytest.fixture
def cfg(image_folder):
    return read_config('configs/classification/convnext_t.py', data=str(image_folder))
