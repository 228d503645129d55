"""The drawn scenes that every format is tested with."""

from pathlib import Path

import pytest

from convnext_dense.sample_data.create import SampleSize, ensure_sample
from tests.helpers.written_formats import write_all


@pytest.fixture(scope='session')
def drawn(tmp_path_factory) -> Path:
    """The drawn sample with 6 scenes for training and 3 for validation, which no test changes."""
    size = SampleSize(train_portraits=1, val_portraits=1, train_scenes=6, val_scenes=3)
    return ensure_sample(tmp_path_factory.mktemp('drawn'), workers=1, size=size)


@pytest.fixture(scope='session')
def written(drawn, tmp_path_factory) -> Path:
    """A folder with the drawn sample in every format, in a folder of its name, which no test changes."""
    return write_all(drawn, tmp_path_factory.mktemp('written'))
