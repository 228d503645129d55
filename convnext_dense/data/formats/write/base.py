"""Labeled images as the writers of all formats take them, and the folder that they write to."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path, PurePosixPath

import numpy as np

from ....counting import counted
from ....io.coco_format import Polygons, RunLengths
from ....io.files import write_errors
from ....io.image_size import ImageSize
from ....results.rle import decode_mask
from ..base import WHOLE
from .image_files import check_image, read_embedded, read_file


@dataclass
class LabeledObject:
    """An object, or a region without single objects, in pixels of the image."""

    label: int
    """Index of its class."""
    box: list[float]
    """[x, y, width, height]."""
    segmentation: Polygons | RunLengths | None = None
    """Its mask, as in COCO files."""
    area: float | None = None
    """Area in pixels, if it is known."""
    is_crowd: bool = False
    """True if it stands for many objects of the class, as COCO's ``iscrowd``."""
    is_region: bool = False
    """True if it is an ignore region, such as VOC's difficult objects."""
    score: float | None = None
    """Score in [0, 1], of predictions."""

    @property
    def is_object(self) -> bool:
        """True if it is a single object."""
        return not (self.is_crowd or self.is_region)

    @property
    def corners(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom edge of the box."""
        x, y, width, height = self.box
        return x, y, x + width, y + height


@dataclass
class LabeledImage:
    """An image with its objects or its label map."""

    file: str
    """Path of the image."""
    name: str
    """Its name in the data set, with the folders that it is in there."""
    size: ImageSize
    """Size of the image that the annotations are of."""
    objects: list[LabeledObject] = field(default_factory=list)
    labels: np.ndarray | None = None
    """The class of each pixel, uint8 (H, W), in [0, K) or 255; None if there are objects."""
    orientation: int = 1
    """EXIF orientation of the file, 1 to 8."""
    is_stored: bool = False
    """True if size and annotations are of the image as stored, False if of the upright one."""


@dataclass
class LabeledData:
    """A data set."""

    classes: list[str]
    """K names."""
    splits: Mapping[str, Iterable[LabeledImage]]
    """The images of each split: ``'train'``, ``'val'``, ``'test'``, or :data:`~..base.WHOLE` alone."""


class Target:
    """The folder that a data set is written to, and what was written, changed and lost.

    Args:
        root: the folder, which is new and empty.
        images: ``'link'`` for hard links, or copies where there can be none; ``'copy'``; or ``'none'``.
        advance: called after each image.
        scores: write the scores of predictions also where most programs refuse them.
        shown: the folder as errors name it; by default ``root``.
    """

    def __init__(
        self,
        root: Path,
        images: str = 'link',
        advance: Callable[[], object] = lambda: None,
        scores: bool = False,
        shown: str | Path = '',
    ) -> None:
        self.root = root
        self.advance = advance
        self.scores = scores
        self.written = Counter[str]()
        """Numbers of ``'images'``, ``'annotations'``, ``'links'`` and ``'copies'``."""
        self.lost = Notes()
        self.changed = Notes()
        self._images = images
        self._shown = shown or root
        self._stems: dict[Path, set[str]] = {}

    def folder(self, *parts: str) -> Path:
        """Create a folder below the root, and return it."""
        path = self.root.joinpath(*(part for part in parts if part))
        with write_errors(self._shown):
            path.mkdir(parents=True, exist_ok=True)
        return path

    def write_text(self, path: Path, text: str) -> None:
        """Write a new file; see :meth:`write_bytes`."""
        self.write_bytes(path, text.encode())

    def write_bytes(self, path: Path, content: bytes) -> None:
        """Write a new file, and its folder if there is none.

        What is there is never written to: it may be a hard link to a file of the user.

        Raises:
            UserError: if there is something, or the file can't be written.
        """
        with write_errors(self._shown):
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, 'xb') as file:
                file.write(content)

    def place(self, image: LabeledImage, folder: Path, flat: bool = False, avoid: str = '') -> str:
        """Link or copy an image into a folder.

        No two images of a folder have names that differ in their suffix or in case only, so that a file beside each
        can have its name.

        Args:
            image: the image.
            folder: the folder of the images of its split.
            flat: join the names of folders and image by underscores.
            avoid: the name of folders that a format does not allow within the split.

        Returns:
            The name of the image in the folder, with ``/`` between folders.
        """
        content = read_embedded(image.file)
        suffix = check_image(image.file, content)
        if content is not None:
            image = replace(image, name=str(PurePosixPath(image.name).with_suffix(suffix)))
            self.changed.add('image taken out of a JSON file', 'images taken out of JSON files')
        name = self._free_name(image, folder, flat, avoid)
        self.written['images'] += 1
        if self._images != 'none':
            is_link = content is None and self._images == 'link' and self._link(image.file, folder / name)
            if not is_link:
                self.write_bytes(folder / name, read_file(image.file) if content is None else content)
            self.written['links' if is_link else 'copies'] += 1
        return name

    def _link(self, file: str, path: Path) -> bool:
        """Make a hard link, and return True; False where there can be none."""
        with write_errors(self._shown):
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(os.path.realpath(file), path)
        except OSError:
            return False
        return True

    @property
    def has_images(self) -> bool:
        """True if images are linked or copied."""
        return self._images != 'none'

    def _free_name(self, image: LabeledImage, folder: Path, flat: bool, avoid: str) -> str:
        taken = self._stems.setdefault(folder, set())
        for name in _names(image, flat):
            parts = [f'{part}_' if part.lower() == avoid else part for part in name.parts[:-1]]
            stem = '/'.join([*parts, name.stem]).casefold()
            if stem not in taken:
                taken.add(stem)
                if stem != name.with_suffix('').as_posix().casefold() or name.name != PurePosixPath(image.name).name:
                    self.changed.add('image renamed', 'images renamed')
                return '/'.join([*parts, name.name])
        raise AssertionError


class Notes:
    """Counts of what is lost or changed."""

    def __init__(self) -> None:
        self._counts = Counter[tuple[str, str]]()

    def add(self, one: str, many: str, number: int = 1) -> None:
        """Count something, described for one and for many: ``'crowd left out'``, ``'crowds left out'``."""
        if number:
            self._counts[one, many] += number

    @property
    def lines(self) -> list[str]:
        """Each with its number: ``'3 crowds left out'``."""
        return [counted(number, one, many) for (one, many), number in self._counts.items()]


def split_folder(split: str) -> str:
    """Return the name of a split's folders; an empty string for data in no split."""
    return '' if split == WHOLE else split


def objects_only(image: LabeledImage, target: Target, title: str) -> list[LabeledObject]:
    """Return the objects of an image, and count what a format of either a box or a mask for each can't hold.

    These are crowds, ignore regions, and boxes that are not those of their masks.
    """
    objects = [one for one in image.objects if one.is_object]
    other = sum(one.segmentation is not None and not _is_box_of_mask(one, image.size) for one in objects)
    ending = f'by more than a pixel ({title} has one or the other)'
    target.lost.add(f'box that differs from its mask {ending}', f'boxes that differ from their masks {ending}', other)
    crowds = sum(one.is_crowd and not one.is_region for one in image.objects)
    regions = sum(one.is_region for one in image.objects)
    target.lost.add(f'crowd left out ({title} has none)', f'crowds left out ({title} has none)', crowds)
    ending = f'left out ({title} has none)'
    target.lost.add(f'ignore region {ending}', f'ignore regions {ending}', regions)
    return objects


def count_joined(is_joined: bool, target: Target) -> None:
    """Count a mask that is written as one polygon, if it had holes or several parts."""
    ending = 'joined by lines to one polygon'
    target.changed.add(
        f'mask with holes or several parts {ending}',
        f'masks with holes or several parts {ending} each',
        int(is_joined),
    )


def count_outlined(one: LabeledObject, target: Target) -> None:
    """Count an RLE that is written as polygons along its edges."""
    ending = 'became polygons along the edges of its pixels', 'became polygons along the edges of their pixels'
    target.changed.add(f'RLE {ending[0]}', f'RLEs {ending[1]}', int(isinstance(one.segmentation, dict)))


def _is_box_of_mask(one: LabeledObject, size: ImageSize) -> bool:
    if isinstance(one.segmentation, list):
        points = np.concatenate([np.reshape(polygon, (-1, 2)) for polygon in one.segmentation])
        points = points.clip(0, (size.width, size.height))
    else:
        rows, columns = decode_mask(one.segmentation, size).nonzero()  # type: ignore[arg-type]
        if not rows.size:
            return True
        points = np.array([[columns.min(), rows.min()], [columns.max() + 1, rows.max() + 1]])
    corners = np.clip(one.corners, 0, (size.width, size.height) * 2)
    return bool(np.abs(np.concatenate([points.min(axis=0), points.max(axis=0)]) - corners).max() <= 1 + 1e-3)


def _names(image: LabeledImage, flat: bool) -> Iterator[PurePosixPath]:
    """Yield candidate names of an image, the best first, endlessly."""
    pieces = re.split(r'[\\/]', image.name)
    parts = [part for part in pieces if part not in ('', '.', '..') and not re.fullmatch('[A-Za-z]:', part)]
    if flat:
        parts = ['_'.join(parts)]
    name = PurePosixPath(*parts)
    yield name
    above = Path(image.file).resolve().parent.name
    if len(parts) == 1 and above:
        yield name.with_name(f'{above}_{name.name}')
    for number in count(2):
        yield name.with_name(f'{name.stem}_{number}{name.suffix}')
