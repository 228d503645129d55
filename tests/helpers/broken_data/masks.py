"""A small data set of images and masks without a fault, and mutations of masks."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image

from .. import mask_folder
from .mutation import Mutation


def write_masks(root: Path) -> None:
    """Four images for training and two for validation, all different, with the labels 0 to 5 and their names."""
    mask_folder.write_mask_folder(root)
    for path in sorted((root / 'images' / 'validation').iterdir()):
        with Image.open(path) as image:
            image.putpixel((0, 0), (1, 1, 1))
            image.save(path)
    (root / 'classes.txt').write_text('\n'.join(['wall', 'sky', 'tree', 'road', 'car']) + '\n')


Change = Callable[[np.ndarray, Random], np.ndarray]
"""Changes the labels of a mask, (H, W)."""


def on_a_mask(change: Change) -> Mutation:
    def mutation(root: Path, random: Random) -> None:
        paths = sorted(root.glob('annotations/*/*.png'))
        if paths:
            _rewrite(random.choice(paths), change, random)

    mutation.__name__ = change.__name__
    return mutation


def on_all_masks(change: Change) -> Mutation:
    def mutation(root: Path, random: Random) -> None:
        state = random.getstate()
        for path in sorted(root.glob('annotations/*/*.png')):
            random.setstate(state)
            _rewrite(path, change, random)

    mutation.__name__ = change.__name__
    return mutation


def _rewrite(path: Path, change: Change, random: Random) -> None:
    try:
        with Image.open(path) as image:
            labels = np.asarray(image)
    except OSError:  # broken before
        return
    Image.fromarray(change(labels, random)).save(path)


@on_a_mask
def unknown_label(labels: np.ndarray, random: Random) -> np.ndarray:
    labels = labels.copy()
    labels[0, 0] = random.choice([6, 7, 100, 254])
    return labels


@on_a_mask
def nothing_labeled(labels: np.ndarray, random: Random) -> np.ndarray:
    return np.full_like(labels, random.choice([0, 255]))


@on_a_mask
def mask_of_another_size(labels: np.ndarray, random: Random) -> np.ndarray:
    return labels[:-1]


@on_a_mask
def mask_turned(labels: np.ndarray, random: Random) -> np.ndarray:
    return np.ascontiguousarray(labels.T)


@on_a_mask
def mask_of_three_channels(labels: np.ndarray, random: Random) -> np.ndarray:
    return np.repeat(labels[..., None], 3, axis=2) if labels.ndim == 2 and labels.dtype == np.uint8 else labels


@on_a_mask
def sixteen_bit_mask(labels: np.ndarray, random: Random) -> np.ndarray:
    return labels.astype(np.uint16)


@on_all_masks
def sixteen_bit_masks(labels: np.ndarray, random: Random) -> np.ndarray:
    return labels.astype(np.uint16)


@on_all_masks
def zeros_and_ones(labels: np.ndarray, random: Random) -> np.ndarray:
    return (labels > 1).astype(np.uint8)


@on_all_masks
def one_bit_masks(labels: np.ndarray, random: Random) -> np.ndarray:
    return labels > 1


@on_all_masks
def zeros_and_255(labels: np.ndarray, random: Random) -> np.ndarray:
    return np.where(labels > 1, 255, 0).astype(np.uint8)


@on_all_masks
def labels_from_0_on(labels: np.ndarray, random: Random) -> np.ndarray:
    return np.where(labels > 0, labels - 1, 255 if random.random() < 0.5 else 0).astype(np.uint8)


def truncated_mask(root: Path, random: Random) -> None:
    path = random.choice(sorted(root.glob('annotations/*/*.png')) or [root / 'none'])
    if path.exists():
        content = path.read_bytes()
        path.write_bytes(content[: random.randrange(len(content))])


def mask_removed(root: Path, random: Random) -> None:
    random.choice(sorted(root.glob('annotations/*/*.png'))).unlink()


def mask_without_image(root: Path, random: Random) -> None:
    mask_folder.save(root / 'annotations' / 'training' / 'more.png', mask_folder.draw_labels(9))


def other_names(root: Path, random: Random) -> None:
    names = (root / 'classes.txt').read_text().split() if (root / 'classes.txt').exists() else []
    names = random.choice(
        [names[:-1], [*names, 'boat'], ['background', *names], [*names, *names[:1]], [], ['', *names]]
    )
    (root / 'classes.txt').write_text('\n'.join(names) + '\n')


def no_names(root: Path, random: Random) -> None:
    (root / 'classes.txt').unlink(missing_ok=True)


def no_validation_masks(root: Path, random: Random) -> None:
    for kind in ('images', 'annotations'):
        shutil.rmtree(root / kind / 'validation', ignore_errors=True)


MASKS: list[Mutation] = [
    unknown_label, nothing_labeled, mask_of_another_size, mask_turned, mask_of_three_channels, sixteen_bit_mask,
    sixteen_bit_masks, zeros_and_ones, one_bit_masks, zeros_and_255, labels_from_0_on, truncated_mask, mask_removed,
    mask_without_image, other_names, other_names, no_names, no_validation_masks,
]  # fmt: skip
