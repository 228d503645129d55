"""Data set of images with one class each: folders such as ImageNet's, class folders in no split, and lists."""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.logging import print_log
from torch.utils.data import default_collate

from ...errors import UserError
from ...io.images import check_on_bad_image
from ...io.opening import as_opening
from ...io.value_range import as_value_range
from ...registry import DATASETS, FUNCTIONS
from ...weights.preprocessing import WARP_FROM
from ..class_choice import ClassChoice, as_choice
from ..image_files import EXTENSIONS, describe_left_out
from ..image_files_dataset import ImageFilesDataset
from ..sampler import SeededIndex
from ..subset import Split
from .find import choose_files, files_by_class, scan_classes
from .layout import Reading
from .subset import select_files
from .transforms import eval_transform, preprocessing_of, train_transform


@DATASETS.register_module()
class ImageFolder(ImageFilesDataset):
    """Data set of images with one class each.

    A sample is ``dict(image=(3, S, S) float tensor, label=int, path=str, skipped=[paths])``. A key is an index, or a
    pair of an index and an augmentation seed from :class:`~convnext_dense.data.sampler.SeededSampler`.

    Args:
        root: folder with ``train/<class>/`` and ``val/<class>/``, or in another layout of :mod:`.find`.
        split: ``'train'`` or ``'val'``.
        transform: arguments of :func:`train_transform` or, for ``'val'``, of :func:`eval_transform`.
        classes: names of the classes by label, such as those of a checkpoint; None for the folders of ``train``. The
            class folders of the split are joined to them by name, and may be some of them.
        per_class: maximum number of images of each class, the first ones; None for all.
        value_range: the values that become black and white, of images of any depth; None for the rule of
            :func:`~convnext_dense.io.value_range.find_value_range`.
        on_bad_image: ``'stop'`` raises an error that names an unreadable image. ``'skip'`` replaces it by the next
            readable image in training, and omits it in evaluation (``image`` is None); its path is in ``skipped``.
        source: the split that the images are from, if it is another one.
        subset: rule and part, if the images are a part of that split; see :mod:`~convnext_dense.data.subset`.
        format: layout of the data, a key of :data:`.layout.FORMATS`; None to recognize it.
        label_column: the column of a list that has the classes; None to recognize it.
        choice: which of the folder's classes are taken, as :func:`~convnext_dense.data.class_choice.as_choice` reads
            it; images of the others are left out. With ``classes``, the folder may lack some that it names.

    Attributes:
        kept_split: the whole split that the images are a part of, or None.
        preprocessing: how the images are prepared.

    Raises:
        UserError: for a wrong layout, an empty or unknown class folder, or an unreadable image with ``'stop'``.
    """

    counted_units = 'images'  # unit of ``class_counts``
    one_class_each = True

    def __init__(
        self,
        root: str,
        split: str,
        transform: dict,
        per_class: int | None = None,
        on_bad_image: str = 'stop',
        classes: Sequence[str] | None = None,
        value_range: Sequence[float] | None = None,
        source: str | None = None,
        subset: Mapping[str, Any] | None = None,
        format: str | None = None,
        label_column: str | None = None,
        choice: ClassChoice | Mapping | None = None,
        page: int | None = None,
        max_pixels: int | None = None,
    ) -> None:
        if split not in ('train', 'val'):
            raise UserError(f"split {split!r} does not exist: take 'train' or 'val'")
        check_on_bad_image(on_bad_image)
        if per_class is not None and per_class < 1:
            raise UserError(f'per_class {per_class} is too small: take at least 1, or None for all images')
        reading, whole = Reading(format, label_column), source or split
        self.choice = as_choice(choice)
        if self.choice is None:
            classes = scan_classes(root, reading) if classes is None else list(classes)
            found = files_by_class(root, whole, classes, reading)
        else:
            own = scan_classes(root, reading)
            if classes is None:
                self.choice.check(own, root)
            classes = list(self.choice.apply(own).names if classes is None else classes)
            found, line = choose_files(files_by_class(root, whole, own, reading), own, classes, self.choice)
            print_log(f'{split}: {line}', 'current')
        if found.empty:
            raise UserError(
                f'class folder {found.empty[0]} holds no images ({", ".join(EXTENSIONS)}): fill or remove it'
            )
        for note in found.notes:
            print_log(note, 'current')
        for doubt in found.doubts:
            print_log(doubt, 'current', logging.WARNING)
        if found.left_out:
            print_log(f'{found.folder}: {describe_left_out(found.left_out)}', 'current')
        self.kept_split: Split | None = None
        if subset is not None:
            found, self.kept_split, notes = select_files(found, classes, subset)
            for note in notes:
                print_log(note, 'current', logging.WARNING)
        files_of = [files[:per_class] for files in found.files]
        self.metainfo = {
            'classes': classes,
            **({} if self.choice is None else {'choice': self.choice.as_config()}),
        }
        self.training = split == 'train'
        self.on_bad_image = on_bad_image
        self.value_range = as_value_range(value_range)
        self.opening = as_opening(page, max_pixels)
        self.paths = np.array([os.fsencode(path) for files in files_of for path in files])
        self.class_counts = np.array([len(files) for files in files_of])
        self.labels = np.repeat(np.arange(len(classes)), self.class_counts)
        self.preprocessing = preprocessing_of(transform, self.training)
        self.transform = train_transform(**transform) if self.training else eval_transform(**transform)

    def chosen(self, indices: np.ndarray) -> ImageFolder:
        """Return the data set of some of the images, by their indices."""
        part = copy.copy(self)
        part.paths, part.labels = self.paths[indices], self.labels[indices]
        part.class_counts = np.bincount(part.labels, minlength=len(self.class_counts))
        return part

    def prepared_by(self, transform: Mapping[str, Any]) -> ImageFolder:
        """Return the data set of the same images for evaluation, by the arguments of :func:`eval_transform`."""
        part = copy.copy(self)
        part.training, part.transform = False, eval_transform(**transform)
        part.preprocessing = preprocessing_of(transform, False)
        return part

    def get_cat_ids(self, index: int) -> list[int]:
        """Return the label of an image in a list, for mmengine's ``ClassBalancedDataset``."""
        return [int(self.labels[index])]

    def __getitem__(self, key: int | SeededIndex) -> dict:
        read = self.read(key)
        return {
            'image': read.image,
            'label': int(self.labels[read.place]),
            'path': read.path,
            'skipped': read.skipped,
        }


@FUNCTIONS.register_module()
def collate_images(samples: Sequence[dict]) -> dict:
    """Collate a batch without its unreadable images.

    Returns:
        A dict with ``inputs`` (N, 3, S, S), ``labels`` (N,), ``paths``, and ``skipped``, the paths of unreadable
        images.
    """
    readable = [sample for sample in samples if sample['image'] is not None]
    return {
        # default_collate stacks in the memory that a worker shares with the main process
        'inputs': default_collate([s['image'] for s in readable])
        if readable
        else torch.empty(0, 3, WARP_FROM, WARP_FROM),
        'labels': torch.tensor([s['label'] for s in readable], dtype=torch.long),
        'paths': [s['path'] for s in readable],
        'skipped': [path for s in samples for path in s['skipped']],
    }
