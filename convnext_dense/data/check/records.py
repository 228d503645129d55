"""Records of a data set: its splits, its images with their ground truth, and the findings about them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import numpy as np

from ...errors import UserError
from ...io.band_choice import Bands
from ...io.band_images import ShownBands
from ...io.coco_format import Instance
from ...io.image_size import ImageSize
from ...io.opening import AS_USUAL, Opening
from ...io.panoptic import Segment
from ...io.value_range import ValueRange
from ..image_scan import ImageScan
from ..segmentation.readers import INDEX

PROBLEM, WARNING, NOTE = 'problem', 'warning', 'note'


class Finding(NamedTuple):
    """A message about a data set for its user."""

    level: str
    """``'problem'``: it would stop a run or spoil its result; ``'warning'``: it may; ``'note'``: good to know."""
    split: str
    """``'train'``, ``'val'``, or ``''`` for both."""
    message: str
    fix: str = ''
    items: Sequence[str] = ()
    """The affected files, annotations or classes, with details."""
    images: Sequence[str] = ()
    """Paths of the affected images."""

    @classmethod
    def of_error(cls, split: str, error: UserError) -> Finding:
        """Convert an error that would stop a run to a problem."""
        return cls(PROBLEM, split, str(error))


class ImageRecord(NamedTuple):
    """An image and its ground truth: a label, annotations, or a mask, which may have segments."""

    path: str
    label: int | None = None
    instances: Sequence[Instance] = ()
    mask: str | None = None
    """The mask's path, or the image's if label maps are drawn from annotations."""
    size: ImageSize | None = None
    """The image size according to the annotations, if they contain it."""
    is_upright: bool = False
    """The annotations are for the image upright by EXIF, also where its size does not tell."""
    is_read: bool = True
    """False for an image that training leaves out, such as one without annotations."""
    segments: Sequence[Segment] = ()
    """The segments of a panoptic mask, as they are listed."""


@dataclass
class SplitRecords:
    name: str
    """``'train'`` or ``'val'``."""
    images: list[ImageRecord] = field(default_factory=list)


@dataclass
class DatasetRecords(ABC):
    """Base class: the contents of a config's data set, before any image is opened.

    There is a subclass for each kind of data set.
    """

    locations: list[str]
    """Folders or files of the data set."""
    classes: list[str] = field(default_factory=list)
    splits: list[SplitRecords] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    absent_fix: str = 'add examples, or remove them from the list'
    """What to do about classes without an example in training."""
    value_range: ValueRange | ShownBands | None = None
    """The values of images that become black and white, see :func:`~convnext_dense.io.images.decode`; or the bands
    that drawings show."""
    bands: Bands | None = None
    """The bands that are taken as stored; None for RGB of 8 bits."""
    opening: Opening = AS_USUAL
    """The page of the image files, and the limit of pixels."""
    in_tiles: bool = False
    """Whether images are read by tiles."""

    unit: ClassVar[str]
    """Unit of the counts for each class: ``'images'``, ``'annotations'`` or ``'pixels'``."""
    has_positions: ClassVar[bool] = True
    """True if the ground truth has positions in the image, so that both must be rotated together."""
    takes_bands: ClassVar[bool] = True
    """True if models of the task can take bands of the images as they are stored."""

    @abstractmethod
    def count_classes(self, image: ImageRecord, scan: ImageScan) -> dict[int, int]:
        """Count the units of each class in an image's ground truth."""

    def read_mask(self, mask: str) -> np.ndarray:
        """Read the labels of a mask (H, W).

        Raises:
            UserError: if it can't be read, or does not hold labels.
        """
        return INDEX.read(mask)

    def check_ground_truth(self, split: SplitRecords, scans: Sequence[ImageScan]) -> Iterable[Finding]:
        """Find problems in a split's ground truth that only a scan of its images and masks can show."""
        return ()


class ClassCounts(NamedTuple):
    """Occurrences of each of K classes in a split."""

    images: np.ndarray
    """(K,): images with the class."""
    units: np.ndarray
    """(K,): images, annotations other than crowds, or pixels; see :attr:`DatasetRecords.unit`."""
