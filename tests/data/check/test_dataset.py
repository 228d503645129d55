"""Levels of findings, and what is counted."""

from pathlib import Path

import pytest

from convnext_dense.data.check import PROBLEM, WARNING
from tests.conftest import write_image_folder
from tests.helpers.checked_images import checked_images
from tests.helpers.findings import found


@pytest.fixture
def images(tmp_path) -> Path:
    return write_image_folder(tmp_path / 'images', train=4, val=2)


def test_a_run_that_skips_bad_images_is_only_warned(images):
    (images / 'train' / 'blue' / '01.jpg').write_bytes(b'')
    checked = checked_images(images, skip=True)
    assert found(checked, PROBLEM) == {}
    assert found(checked, WARNING) == {"train: 1 image that can't be decoded": ['01.jpg']}
