"""Masks are scanned once, and what was found is remembered."""

import pytest

from tests.helpers.mask_folder import write_mask_folder


@pytest.fixture
def root(tmp_path):
    return write_mask_folder(tmp_path / 'data')
