"""A small panoptic data set, and the drawn scenes."""

import gc

import pytest

from tests.data.formats.conftest import drawn as drawn
from tests.helpers.panoptic_files import write_panoptic_set


@pytest.fixture
def root(tmp_path):
    return write_panoptic_set(tmp_path / 'data')


@pytest.fixture(autouse=True)
def _no_garbage_collection(monkeypatch):
    """mmengine searches for garbage for each data set, which takes a second beside mmdet."""
    monkeypatch.setattr(gc, 'collect', lambda *_: 0)
