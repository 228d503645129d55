"""An image/mask folder, and an empty cache."""

import pytest

from tests.data.formats.conftest import drawn as drawn
from tests.data.formats.conftest import written as written
from tests.helpers.mask_folder import write_mask_folder


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('CONVNEXT_DENSE_CACHE', str(tmp_path / 'cache'))
    return tmp_path / 'cache'


@pytest.fixture
def root(tmp_path):
    return write_mask_folder(tmp_path / 'data')
