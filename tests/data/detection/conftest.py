"""Annotations that are dropped or corrected, and what is said of them."""

import pytest

from tests.helpers import coco_files


@pytest.fixture
def data() -> dict:
    return coco_files.content()
