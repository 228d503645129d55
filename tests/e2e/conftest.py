"""Data that several tests here train on."""

from pathlib import Path

import pytest

from tests.helpers import coco_files


@pytest.fixture(scope='module')
def coco(tmp_path_factory) -> Path:
    """COCO files of training and validation, with images."""
    root = tmp_path_factory.mktemp('coco')
    for split in ('train', 'val'):
        coco_files.write(root, coco_files.content(), split)
    return root
