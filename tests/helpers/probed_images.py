"""Labeled images in class folders, and a data set by which they are prepared."""

import os
from pathlib import Path

import numpy as np
from PIL import Image

from convnext_dense.data.classification.transforms import eval_transform
from convnext_dense.data.image_files_dataset import ImageFilesDataset
from convnext_dense.io.opening import AS_USUAL
from tests.conftest import COLORS


def write_classes(root: Path, count: int = 20, size: int = 40, spread: float = 60) -> Path:
    """Folders of three classes whose colors overlap."""
    rng = np.random.default_rng(0)
    for name, color in COLORS.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            own = np.array(color) * 0.3 + 90 + rng.normal(0, spread, 3)
            noise = rng.normal(0, 25, (size, size, 3)) + own
            Image.fromarray(noise.clip(0, 255).astype(np.uint8)).save(root / name / f'{number:02d}.png')
    return root


class Unlabeled(ImageFilesDataset):
    """Images as a validation prepares them."""

    training, value_range, opening = False, None, AS_USUAL

    def __init__(self, files=(), side: int = 32, on_bad_image: str = 'stop') -> None:
        self.paths = np.array([os.fsencode(path) for path in files])
        self.on_bad_image = on_bad_image
        self.transform = eval_transform(side)

    def __getitem__(self, index: int) -> dict:
        read = self.read(index)
        return {'image': read.image, 'path': read.path, 'skipped': read.skipped}
