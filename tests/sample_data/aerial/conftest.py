"""Small versions of the large sample, of either kind of images, drawn once for all tests of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from convnext_dense.io.image_size import ImageSize
from convnext_dense.sample_data.aerial.create import LargeSize, ensure_large_sample
from convnext_dense.sample_data.aerial.scene import AerialScene, draw_aerial

SMALL = LargeSize(train=2, val=1, scale=0.13, density=6)


@pytest.fixture(scope='package')
def scene() -> AerialScene:
    return draw_aerial(ImageSize(900, 1000), np.random.default_rng(1), density=3)


@pytest.fixture(scope='package')
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ensure_large_sample(tmp_path_factory.mktemp('cache'), size=SMALL, workers=2)


@pytest.fixture(scope='package')
def six(large: Path) -> Path:
    return ensure_large_sample(large.parent, bands=True, size=SMALL, workers=1)
