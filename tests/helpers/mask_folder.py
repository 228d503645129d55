"""Writing small image/mask folders whose colors tell the labels."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from convnext_dense.data.segmentation.find import find_masks
from convnext_dense.data.segmentation.masks import check_masks

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


def relabel(root: Path, change: Callable[[np.ndarray], np.ndarray], splits=('training', 'validation')) -> Path:
    """Change the labels in the masks of a folder."""
    for split in splits:
        for path in (root / 'annotations' / split).iterdir():
            save(path, change(np.asarray(Image.open(path))).astype(np.uint8))
    return root


def save_with_palette(path: Path, labels: np.ndarray) -> None:
    """Every label has the same color: only the indices tell them apart."""
    image = Image.fromarray(labels)
    image.putpalette([7, 8, 9] * 256)
    image.save(path)


def save_bits(path: Path, labels: np.ndarray, depth: int) -> None:
    """Write labels (H, W) as a gray PNG of 1, 2 or 4 bits, which Pillow does not write."""
    height, width = labels.shape
    pixels = np.pad(labels, ((0, 0), (0, -width % 8))).astype(np.uint8)
    bits = np.unpackbits(pixels[..., None], axis=2)[..., 8 - depth :].reshape(height, -1)
    rows = np.packbits(bits, axis=1)[:, : -(-width * depth // 8)]
    content = b''.join(b'\0' + row.tobytes() for row in rows)
    header = struct.pack('>IIBBBBB', width, height, depth, 0, 0, 0, 0)
    chunks = [(b'IHDR', header), (b'IDAT', zlib.compress(content)), (b'IEND', b'')]
    path.write_bytes(
        b'\x89PNG\r\n\x1a\n'
        + b''.join(
            struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
            for kind, data in chunks
        )
    )


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


def mask(root: Path, number: int = 1) -> Path:
    return root / 'annotations' / 'training' / f'{number:02d}.png'


def image(root: Path, number: int = 1) -> Path:
    return root / 'images' / 'training' / f'{number:02d}.png'


def check(root: Path, num_classes: int = 5, split: str = 'training', **options) -> None:
    check_masks(find_masks(root, split), num_classes, **options)
