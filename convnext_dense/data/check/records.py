"""Records of a data set: its splits, its images with their ground truth, and what was found about them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import numpy as np

from ...errors import UserError
from ...io.coco_format import Instance
from ...io.image_size import ImageSize
from ..image_scan import ImageScan

PROBLEM, WARNING, NOTE = 'problem', 'warning', 'note'


class Finding(NamedTuple):
    """A message about a data set, for the person who brings it."""

    level: str
    """``'problem'``: it would stop a run or spoil its result; ``'warning'``: it may; ``'note'``: good to know."""
    split: str
    """``'train'``, ``'val'``, or ``''`` where it is about both."""
    message: str
    fix: str = ''
    items: Sequence[str] = ()
    """The files, annotations or classes it is about, with details."""
    images: Sequence[str] = ()
    """Paths of the images that show it."""

    @classmethod
    def of_error(cls, split: str, error: UserError) -> Finding:
        """Make a problem of an error that would stop a run."""
        return cls(PROBLEM, split, str(error))


class ImageRecord(NamedTuple):
    """An image and its ground truth, of which it has one kind: a label, annotations, or a mask."""

    path: str
    label: int | None = None
    instances: Sequence[Instance] = ()
    mask: str | None = None
    """The path of its mask."""
    size: ImageSize | None = None
    """The size that its annotations were made for, where they say so."""


@dataclass
class SplitRecords:
    name: str
    """``'train'`` or ``'val'``."""
    images: list[ImageRecord] = field(default_factory=list)


@dataclass
class DatasetRecords(ABC):
    """A data set as the data loaders of a config see it, before any image is opened.

    There is a subclass for each kind of data set.
    """

    locations: list[str]
    """Folders or files that it was read from."""
    classes: list[str] = field(default_factory=list)
    splits: list[SplitRecords] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    unit: ClassVar[str]
    """Counted for each class: ``'images'``, ``'annotations'`` or ``'pixels'``."""
    has_positions: ClassVar[bool] = True
    """Whether the ground truth has positions in the image, so that turning one without the other spoils it."""

    @abstractmethod
    def count_classes(self, image: ImageRecord, scan: ImageScan) -> dict[int, int]:
        """Count the units of each class in an image's ground truth."""

    def check_ground_truth(self, split: SplitRecords, scans: Sequence[ImageScan]) -> Iterable[Finding]:
        """Find in a split's ground truth what only a scan of its images and masks shows."""
        return ()


class ClassCounts(NamedTuple):
    """Occurrences of each of K classes in a split."""

    images: np.ndarray
    """(K,): images that show the class."""
    units: np.ndarray
    """(K,): images, annotations other than crowds, or pixels; see :attr:`DatasetRecords.unit`."""
