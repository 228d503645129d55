"""The content of a COCO file, which tests change."""

import pytest

from tests.helpers import coco_files


@pytest.fixture
def data() -> dict:
    return coco_files.content()
