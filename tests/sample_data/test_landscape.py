"""Landscapes and their regions."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from convnext_dense.sample_data.landscape import REGIONS


def read(path: Path, flag: int = cv2.IMREAD_UNCHANGED) -> np.ndarray:
    image = cv2.imread(str(path), flag)
    assert image is not None, path
    return image


def test_regions_never_touch(sample: Path) -> None:
    """Where two regions of a landscape meet, the border is unlabeled."""
    for path in (sample / 'ade20k/annotations/training').iterdir():
        classes = read(path)
        for one, other in ((classes[1:], classes[:-1]), (classes[:, 1:], classes[:, :-1])):
            both = (np.minimum(one, other) > 0) & (np.maximum(one, other) <= len(REGIONS))
            assert (one[both] == other[both]).all()
