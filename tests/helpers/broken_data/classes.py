"""A small image folder without a fault, and mutations of folders of classes."""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random

import numpy as np

from ..mask_folder import save
from .mutation import Mutation


def write_images(root: Path) -> None:
    """Three classes of four images for training and two for validation, all different."""
    rng = np.random.default_rng(0)
    for split, count in (('train', 4), ('val', 2)):
        for name in ('cat', 'dog', 'eel'):
            for number in range(count):
                save(root / split / name / f'{number}.png', rng.integers(0, 256, (40, 48, 3), np.uint8))


def _class_folder(root: Path, random: Random) -> Path:
    return random.choice(sorted(path for path in root.glob('*/*') if path.is_dir()))


def class_renamed(root: Path, random: Random) -> None:
    folder = _class_folder(root, random)
    folder.rename(folder.with_name(folder.name.capitalize() + random.choice(['', 's'])))


def class_removed(root: Path, random: Random) -> None:
    shutil.rmtree(_class_folder(root, random))


def class_emptied(root: Path, random: Random) -> None:
    for path in _class_folder(root, random).iterdir():
        path.unlink() if path.is_file() or path.is_symlink() else shutil.rmtree(path)


def empty_class_added(root: Path, random: Random) -> None:
    (_class_folder(root, random).parent / 'fox').mkdir(exist_ok=True)


def no_validation_images(root: Path, random: Random) -> None:
    shutil.rmtree(root / 'val', ignore_errors=True)


def text_file_among_the_images(root: Path, random: Random) -> None:
    (_class_folder(root, random) / 'notes.txt').write_text('three dogs')


CLASSES: list[Mutation] = [
    class_renamed, class_removed, class_emptied, empty_class_added, no_validation_images, text_file_among_the_images,
]  # fmt: skip
