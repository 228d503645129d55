"""Writing small image/mask folders whose colors tell the labels."""

from pathlib import Path

import numpy as np
from PIL import Image

COLORS = np.array([[0, 0, 0], [200, 0, 0], [0, 200, 0], [0, 0, 200], [200, 200, 0], [200, 0, 200]], dtype=np.uint8)
"""The color of each label, 0 to 5; 0 is not labeled."""
CLASSES = ('red', 'green', 'blue', 'yellow', 'pink')
"""The names of the labels 1 to 5."""


def draw_labels(seed: int, height: int = 40, width: int = 56) -> np.ndarray:
    """Random rectangles of the labels 0 to 5, each of which occurs, as uint8 (height, width)."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((height, width), dtype=np.uint8)
    for _ in range(12):
        top, left = rng.integers(0, height - 8), rng.integers(0, width - 8)
        labels[top : top + 16, left : left + 20] = rng.integers(1, 6)
    labels[:6, :6] = np.arange(6)
    return labels


def save(path: Path, pixels: np.ndarray, mode: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path)
    return path


def save_with_palette(path: Path, labels: np.ndarray) -> None:
    """Every label has the same color: only the indices tell them apart."""
    image = Image.fromarray(labels)
    image.putpalette([7, 8, 9] * 256)
    image.save(path)


def write_mask_folder(root: Path, training: int = 4, validation: int = 2, names=('training', 'validation')) -> Path:
    """ADE20K's layout, with images ``00.png`` and so on: without loss, so that a color is exactly its label's.

    ``classes.txt`` names the labels 1 to 5, so that 0 is unlabeled.
    """
    root.mkdir(parents=True, exist_ok=True)
    (root / 'classes.txt').write_text('\n'.join(CLASSES))
    for name, count in zip(names, (training, validation), strict=True):
        for i in range(count):
            labels = draw_labels(i)
            save(root / 'images' / name / f'{i:02d}.png', COLORS[labels])
            save(root / 'annotations' / name / f'{i:02d}.png', labels)
    return root
