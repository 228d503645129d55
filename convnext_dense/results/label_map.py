"""Counts of pixels, and entries in JSON files, for label maps in memory and in files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypedDict

import numpy as np

from ..io.image_size import ImageSize
from ..io.images import UNLABELED
from ..io.window import Window

ROWS = 256
"""Rows of a label map that are looked at at once."""

Read = Callable[[Window], np.ndarray]
"""Returns the labels of a window, (h, w)."""


class ClassArea(TypedDict):
    """A class with its label in masks, the number of its pixels, and its share of the whole image in [0, 1]."""

    label: int
    name: str
    pixels: int
    share: float


class SegmentationEntry(TypedDict):
    """A segmentation in a JSON file: height and width, and the present classes, largest first."""

    path: str | None
    size: list[int]
    classes: list[ClassArea]


def unlabeled(dtype: np.dtype) -> int:
    """Return the label of pixels without a class: 255 in a label map of uint8, 65,535 in one of uint16."""
    return UNLABELED if dtype == np.uint8 else int(np.iinfo(dtype).max)


def strips(size: ImageSize) -> list[Window]:
    """Return windows of some rows each that cover an image."""
    whole = Window.whole(size)
    return [Window(top, 0, ROWS, size.width).intersection(whole) for top in range(0, size.height, ROWS)]


def count_labels(read: Read, size: ImageSize, classes: int) -> np.ndarray:
    """Count the pixels of each label from 0 to ``classes - 1``, int64 (classes,), some rows at a time."""
    counts = np.zeros(classes, np.int64)
    for window in strips(size):
        counts += np.bincount(read(window).ravel(), minlength=classes)[:classes]
    return counts


def class_areas(
    path: str | None, size: ImageSize, counts: np.ndarray, names: Sequence[str], first_label: int
) -> SegmentationEntry:
    """Return the entry of a segmentation in a JSON file.

    Args:
        path: the image's file, or None.
        size: of the image.
        counts: pixels of each class, (K,).
        names: K class names.
        first_label: label of class 0.
    """
    present = [k for k in np.argsort(-counts, kind='stable').tolist() if counts[k]]
    classes: list[ClassArea] = [
        {
            'label': k + first_label,
            'name': names[k],
            'pixels': int(counts[k]),
            'share': float(counts[k] / (size.height * size.width)),
        }
        for k in present
    ]
    return {'path': path, 'size': list(size), 'classes': classes}
