"""A small sample, drawn once for all tests of the sample data."""

from __future__ import annotations

from pathlib import Path

import pytest
from pycocotools.coco import COCO

from convnext_dense.sample_data.create import SampleSize, ensure_sample

SIZE = SampleSize(train_portraits=24, val_portraits=12, train_scenes=60, val_scenes=4)


@pytest.fixture(scope='package')
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ensure_sample(tmp_path_factory.mktemp('cache'), size=SIZE, workers=2)


@pytest.fixture(scope='package')
def coco(sample: Path) -> COCO:
    return COCO(sample / 'coco/annotations/instances_train2017.json')
