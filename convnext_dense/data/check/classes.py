"""Count the examples of each class in a data set, and find classes without an example."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from ..image_scan import ImageScan
from ..text import count_of
from .records import NOTE, WARNING, ClassCounts, DatasetRecords, Finding, SplitRecords


def count_classes(data: DatasetRecords, split: SplitRecords, scans: Sequence[ImageScan]) -> ClassCounts:
    """Count the images and the units (see :attr:`DatasetRecords.unit`) of each class in a split."""
    images, units = Counter[int](), Counter[int]()
    for image, scan in zip(split.images, scans, strict=True):
        of_image = data.count_classes(image, scan)
        images.update(of_image.keys())
        units.update(of_image)
    labels = range(len(data.classes))
    return ClassCounts(np.array([images[k] for k in labels], int), np.array([units[k] for k in labels], int))


def find_absent_classes(data: DatasetRecords, counts: Sequence[ClassCounts]) -> Iterable[Finding]:
    """Find classes without an example from the counts for each split."""
    for split, of_split in zip(data.splits, counts, strict=True):
        absent = [name for name, n in zip(data.classes, of_split.units, strict=True) if not n]
        if absent and split.images:
            message = f'{count_of(absent, "class", "classes")} of {len(data.classes)} without an example'
            if split.name == 'train':
                fix = f'they are not learned: {data.absent_fix}'
                yield Finding(WARNING, split.name, message, fix, absent)
            else:
                yield Finding(NOTE, split.name, message, 'they are not measured', absent)
