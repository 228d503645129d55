"""Interface of a format of annotations with boxes or masks, such as COCO's or YOLO's.

Every format is read into the same :class:`Content`, in the terms of COCO files, which
:func:`~convnext_dense.data.detection.coco.read_coco` then checks by the same rules. Reading is in place: nothing is
copied or rewritten. To add a format, write a subclass of :class:`Format` in a module of its own and list it in
:mod:`convnext_dense.data.formats`.
"""

from __future__ import annotations

import json
import logging
import os
from abc import ABC, abstractmethod
from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .faults import Fault

WHOLE = 'whole'
"""The split of data that are in no split."""
SAME_NAMES = ('_annotations.coco', '_annotations', 'annotations', 'instances', 'labels', 'result', 'detections')
"""Names of files, without suffix, that are the same in each split: their folder tells them apart."""


class Source(NamedTuple):
    """Where the annotations of a split are."""

    annotations: Path
    """A file, such as a COCO file or ``data.yaml``, or a folder."""
    images: Path
    """The folder to which names of images are relative."""
    format: str = 'coco'
    """Name of the format, a key of :data:`~convnext_dense.data.formats.FORMATS`."""
    split: str = ''
    """The split as the format names it, where the annotations of several are in one place; else empty."""

    @property
    def name(self) -> str:
        """Name for messages: the split's, or that in the file's: ``'train2017'`` for ``instances_train2017.json``."""
        if self.split:
            return self.split
        names = [self.annotations.stem, *(folder.name for folder in self.annotations.parents)]
        return next((name for name in names if name not in SAME_NAMES), names[0]).removeprefix('instances_')


def by_split(source: Source, splits: Iterable[str]) -> dict[str, Source]:
    """Return a source for each split of annotations that are all in one place; data in no split name none."""
    return {split: source._replace(split='' if split == WHOLE else split) for split in splits}


def take_test_for_val(splits: Mapping[str, Source]) -> dict[str, Source]:
    """Return the sources of splits but ``'test'``, which is for ``'val'``, as is said, if there is no other."""
    if 'val' not in splits and 'test' in splits:
        logging.getLogger('mmengine').warning(f'{splits["test"].annotations} is taken for val')
        splits = {**splits, 'val': splits['test']}
    return {split: source for split, source in splits.items() if split != 'test'}


class Places:
    """Where each annotation stands, in the user's own files: ``labels/a.txt:3`` or ``a.json: shapes[2]``."""

    def __init__(
        self, files: Sequence[str] = (), file_of: Iterable[int] = (), spots: Iterable[int | str] = ()
    ) -> None:
        self._files = list(files)
        self._index = {name: number for number, name in enumerate(self._files)}
        self._file_of = array('I', file_of)
        self._spots = list(spots)

    def add(self, file: str | Path, spot: int | str) -> int:
        """Note the place of the next annotation, and return its id, which counts from 1.

        Args:
            file: the file, as messages are to name it: relative to the data set's root.
            spot: the number of its line, which counts from 1, or a path of keys such as ``'shapes[2]'``.
        """
        name = str(file)
        number = self._index.setdefault(name, len(self._files))
        if number == len(self._files):
            self._files.append(name)
        self._file_of.append(number)
        self._spots.append(spot)
        return len(self._spots)

    def __len__(self) -> int:
        return len(self._spots)

    def __getitem__(self, annotation_id: int) -> str:
        file, spot = self._files[self._file_of[annotation_id - 1]], self._spots[annotation_id - 1]
        return f'{file}:{spot}' if isinstance(spot, int) else f'{file}: {spot}'

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return arrays that :meth:`from_arrays` makes the places from."""
        lines = np.array([spot if isinstance(spot, int) else 0 for spot in self._spots], np.int64)
        keys = ['' if isinstance(spot, int) else spot for spot in self._spots] if not lines.all() else []
        texts = json.dumps([self._files, keys]).encode()
        return {
            'place_files': np.frombuffer(self._file_of, np.uint32),
            'place_lines': lines,
            'place_texts': np.frombuffer(texts, np.uint8),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Places | None:
        """Make the places from arrays, or None if these have none."""
        if 'place_files' not in arrays:
            return None
        files, keys = json.loads(bytes(arrays['place_texts']))
        lines = arrays['place_lines'].tolist()
        spots = [line or key for line, key in zip(lines, keys, strict=True)] if keys else lines
        return cls(files, arrays['place_files'].tolist(), spots)


@dataclass
class Content:
    """The annotations of a split, in the terms of COCO files and as they are in the user's files.

    Nothing is left out: an object that can't be read is an annotation that is listed in ``unreadable``.
    """

    images: list[Any] = field(default_factory=list)
    """Images with ``id`` and ``file_name``, relative to :attr:`Source.images`; and ``height`` and ``width`` of the
    upright image in pixels, if they are known."""
    annotations: list[Any] = field(default_factory=list)
    """Annotations with ``id``, ``image_id`` and ``category_id``, which those in ``unclassified`` lack; with
    ``bbox`` [x, y, width, height] or ``segmentation`` (polygons or RLE), in pixels of the upright image, or both; and
    optionally ``iscrowd``, 0 or 1.
    A mask is never made of a box."""
    categories: list[Any] = field(default_factory=list)
    """Categories with ``id`` and ``name``, in the order of the labels."""
    places: Places | None = None
    """Where each annotation stands, by its id; None if messages name the ids themselves."""
    unreadable: Mapping[int, str] = field(default_factory=dict)
    """The reason why an annotation can't be used, by its id: ``'three numbers rather than five'``. It may have a box,
    which then tells where it is."""
    ignored: Mapping[int, str] = field(default_factory=dict)
    """The reason why an annotation is ignored by a rule of the format, by its id: ``'marked as difficult'``."""
    unclassified: Collection[int] = frozenset()
    """Ids of the annotations that may be of any class; each is in ``unreadable`` or ``ignored``."""
    faults: list[Fault] = field(default_factory=list)
    """What else a user should know, with ids of annotations, images or categories, or with places as text."""

    @property
    def has_masks(self) -> bool:
        """An object has a mask, even one that can't be read; ignored ones don't count."""
        left_out = {**self.unreadable, **self.ignored}
        return any(one.get('segmentation') and (not left_out or one['id'] not in left_out) for one in self.annotations)


class Format(ABC):
    """Base class of formats. They have no state."""

    name: ClassVar[str]
    """Name in configs and for ``--data-format``."""
    title: ClassVar[str]
    """Name for people, with the file that tells it: ``'YOLO (data.yaml)'``."""
    expected: ClassVar[str]
    """Its files, in a line for errors that list what is read."""
    is_upright: ClassVar[bool] = False
    """Its tools turn images upright by EXIF before they are annotated, also where their size does not tell."""
    lists_images: ClassVar[bool] = True
    """:meth:`files` yields the images, too."""

    @abstractmethod
    def find(self, root: Path) -> dict[str, Source] | None:
        """Find the splits of a data set.

        Only names of files and their first lines are looked at.

        Args:
            root: a folder, or the file that tells the format.

        Returns:
            The sources of ``'train'``, ``'val'`` and ``'test'`` as far as there are any, or of :data:`WHOLE` alone if
            the data are in no split; None if there are no data in this format.

        Raises:
            UserError: if the data are in this format without any doubt, and can't be found.
        """

    @abstractmethod
    def read_categories(self, source: Source) -> list[dict]:
        """Read the categories, with ``id`` and ``name``, in the order of the labels.

        A format without a list of classes has those that occur in any split of the data set, sorted by name.

        Raises:
            NoData: if there is nothing at the source.
            UserError: if they can't be read.
        """

    @abstractmethod
    def read(self, source: Source, needs_annotations: bool = True) -> Content:
        """Read all annotations of a split.

        Args:
            source: a result of :meth:`find`.
            needs_annotations: False for images to predict for, which may have no annotations.

        Raises:
            NoData: if there is nothing at the source.
            UserError: for a file that can't be read, and for what is ambiguous, such as an unknown class.
        """

    def files(self, source: Source) -> Iterator[tuple[str, os.stat_result]]:
        """Yield all files that a split is read from, with their sizes and times, in an order that does not change.

        By default these are all that lie beside the annotations and with the images, and :meth:`other_files`.
        """
        path, seen = source.annotations, set[str]()
        for file in self.other_files(source):
            if file.is_file():
                yield str(file), file.stat()
        for folder in (path if path.is_dir() else path.parent, source.images):
            yield from _files_below(str(folder), seen)

    def other_files(self, source: Source) -> Iterable[Path]:
        """List the files that may be read and lie elsewhere, such as one that lists the classes."""
        return ()

    def has_masks(self, source: Source) -> bool:
        """Check whether an object of a split has a mask."""
        return self.read(source).has_masks


def _files_below(folder: str, seen: set[str]) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the files in a folder and its subfolders, sorted by name; a folder that links lead to again only once."""
    real = os.path.realpath(folder)
    if real in seen:
        return
    seen.add(real)
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        try:
            if entry.is_dir():
                yield from _files_below(entry.path, seen)
            else:
                yield entry.path, entry.stat()
        except OSError:  # a dangling link
            continue
