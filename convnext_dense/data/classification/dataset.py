"""Image folders, ImageNet's among them: ``train/<class>/*.jpg`` and ``val/<class>/*.jpg``."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from inspect import signature
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from ...errors import NoData, UserError
from ...io.images import MAX_UNREADABLE_IN_A_ROW, read_image, too_many_unreadable
from ...registry import DATASETS, FUNCTIONS
from ..image_files import EXTENSIONS, images_under
from ..sampler import SeededIndex, seeded
from ..text import shortened

LAYOUT = 'train/<class>/*.jpg and val/<class>/*.jpg'
WARP_FROM = 384  # pixels; from here on the official evaluation warps to the square and crops nothing


def scan_classes(root: str | Path) -> list[str]:
    """The class names of an image folder: the folders under ``train``, or under ``val`` where it is alone, sorted.

    Raises:
        NoData: if there is none in this layout.
        UserError: if ``val`` has a class that ``train`` lacks.
    """
    root = Path(root)
    splits = [root / split for split in ('train', 'val') if (root / split).is_dir()]
    if not splits:
        raise _absent(root / 'train' if root.is_dir() else root, root)
    classes = _subfolders(splits[0])
    if not classes:
        raise NoData(f'{splits[0]} has no class folders: expected {LAYOUT}')
    unknown = sorted(set(_subfolders(splits[-1])) - set(classes))
    if unknown:
        raise UserError(
            f'{root / "val" / unknown[0]} is a class that {root / "train"} does not have '
            f'({len(unknown)} such: {shortened(unknown)}): add training images or remove it'
        )
    return classes


def files_by_class(root: str | Path, split: str, classes: Sequence[str]) -> tuple[list[list[str]], list[Path]]:
    """The images of each class, and the class folders that should hold some and don't.

    A class may be absent from ``val``, not from ``train``.

    Raises:
        NoData: if the split is not there, or has no image at all.
    """
    if not Path(root, split).is_dir():
        raise _absent(Path(root, split), root)
    folders = [Path(root, split, name) for name in classes]
    files_of = [images_under(folder) if folder.is_dir() else [] for folder in folders]
    if not any(files_of):
        raise NoData(f'{Path(root, split)} holds no images ({", ".join(EXTENSIONS)}): expected {LAYOUT}')
    pairs = zip(folders, files_of, strict=True)
    return files_of, [folder for folder, files in pairs if not files and (split == 'train' or folder.is_dir())]


@DATASETS.register_module()
class ImageFolder(Dataset):
    """Images sorted into one folder per class.

    A sample is ``dict(image=(3, S, S) float tensor, label=int, path=str, skipped=[paths])``. An index may
    carry the seed of its augmentation, as :class:`~convnext_dense.data.SeededSampler` draws it.

    Args:
        root: folder with ``train/<class>/`` and ``val/<class>/``.
        split: ``'train'`` or ``'val'``.
        transform: arguments of :func:`train_transform` or, for ``'val'``, of :func:`eval_transform`.
        per_class: take only the first so many images of each class; None takes all.
        on_bad_image: ``'stop'`` raises an error that names an unreadable image. ``'skip'`` goes on: in
            training the next readable image takes its place, in evaluation it is left out
            (``image`` is None); either way its path is in ``skipped``.

    Raises:
        UserError: for a wrong layout, an empty class folder, an unreadable image under ``'stop'``.
    """

    counted_units = 'images'  # in ``class_counts``

    def __init__(
        self, root: str, split: str, transform: dict, per_class: int | None = None, on_bad_image: str = 'stop'
    ) -> None:
        if split not in ('train', 'val'):
            raise UserError(f"split {split!r} does not exist: take 'train' or 'val'")
        if on_bad_image not in ('stop', 'skip'):
            raise UserError(f"on_bad_image {on_bad_image!r} does not exist: take 'stop' or 'skip'")
        if per_class is not None and per_class < 1:
            raise UserError(f'per_class {per_class}: take at least 1 image of each class, or None for all')
        classes = scan_classes(root)
        files_of, empty = files_by_class(root, split, classes)
        if empty:
            raise UserError(f'class folder {empty[0]} holds no images ({", ".join(EXTENSIONS)}): fill or remove it')
        files_of = [files[:per_class] for files in files_of]
        self.metainfo = {'classes': classes}
        self.training = split == 'train'
        self.on_bad_image = on_bad_image
        # arrays, not lists: reference counts would copy a list into every loader worker's memory
        self.paths = np.array([os.fsencode(path) for files in files_of for path in files])
        self.class_counts = np.array([len(files) for files in files_of])
        self.labels = np.repeat(np.arange(len(classes)), self.class_counts)
        self.transform = train_transform(**transform) if self.training else eval_transform(**transform)

    def __len__(self) -> int:
        return len(self.paths)

    def image(self, index: int) -> tuple[str, None]:
        """Return an image's path, and None where other data sets have the size that annotations were made for."""
        return os.fsdecode(self.paths[index]), None

    def __getitem__(self, key: int | SeededIndex) -> dict:
        index, seed = key if isinstance(key, tuple) else (key, None)
        skipped = []
        for _ in range(min(len(self), MAX_UNREADABLE_IN_A_ROW)):
            path, label = os.fsdecode(self.paths[index]), int(self.labels[index])
            try:
                image = read_image(path, retry_missing=True)
            except UserError as error:
                if self.on_bad_image == 'stop':
                    raise UserError(f'{error}: fix or remove it, or go on without it: --on-bad-image skip') from None
                skipped.append(path)
                if not self.training:
                    return {'image': None, 'label': label, 'path': path, 'skipped': skipped}
                index = (index + 1) % len(self)
                continue
            with nullcontext() if seed is None else seeded(seed):
                return {'image': self.transform(image), 'label': label, 'path': path, 'skipped': skipped}
        raise too_many_unreadable(skipped)


@FUNCTIONS.register_module()
def collate_images(samples: Sequence[dict]) -> dict:
    """A batch: ``inputs`` (N, 3, S, S), ``labels`` (N,), ``paths`` and ``skipped``, without unreadable images."""
    good = [sample for sample in samples if sample['image'] is not None]
    return {
        # default_collate stacks in the memory that a worker shares with the process
        'inputs': default_collate([s['image'] for s in good]) if good else torch.empty(0, 3, WARP_FROM, WARP_FROM),
        'labels': torch.tensor([s['label'] for s in good], dtype=torch.long),
        'paths': [s['path'] for s in good],
        'skipped': [path for s in samples for path in s['skipped']],
    }


def train_transform(input_size: int, **options: object) -> Callable[[Image.Image], Tensor]:
    """timm's training transform, quickened: random resized crop, flip, RandAugment, normalization, random erasing.

    Args:
        input_size: side S of the square output, in pixels.
        options: further arguments of timm's ``create_transform``, such as ``auto_augment`` and ``re_prob``.

    Raises:
        UserError: for an option that timm does not have.
    """
    from timm.data import create_transform  # here, because timm takes seconds to import

    from .augment import faster

    unknown = sorted(options.keys() - signature(create_transform).parameters.keys())
    if unknown:
        raise UserError(
            f"transform has an option {unknown[0]!r} that timm's create_transform does not know: remove it"
        )
    return faster(create_transform(input_size, is_training=True, **options))


def eval_transform(input_size: int, crop_ratio: float = 0.875) -> Callable[[Image.Image], Tensor]:
    """The official evaluation: below 384 resize the shorter side to S / crop_ratio and crop the center;
    from 384 on warp the image to the square and crop nothing.

    Args:
        input_size: side S of the square output, in pixels.
        crop_ratio: share of the shorter side that is kept, in (0, 1].
    """
    from timm.data import create_transform

    if input_size >= WARP_FROM:
        return create_transform(input_size, interpolation='bicubic', crop_mode='squash', crop_pct=1.0)
    return create_transform(input_size, interpolation='bicubic', crop_mode='center', crop_pct=crop_ratio)


def _absent(folder: Path, root: Path | str) -> NoData:
    return NoData(
        f'no data at {folder}: expected {LAYOUT} under {root}; '
        'give another root with --data PATH, or take --data sample, which needs no data'
    )


def _subfolders(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(e.name for e in entries if e.is_dir() and not e.name.startswith('.'))
