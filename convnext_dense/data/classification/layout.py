"""Recognize where a classification data set has its classes: folders of splits, class folders alone, or lists."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import NoData, UserError
from ..image_files import find_files, has_images, is_stray, subfolders
from ..layouts import IMAGE_FOLDER, IMAGE_SPLITS, misplaced
from ..text import shortened
from .image_list import INNER_FOLDERS
from .listed import EXPLICIT, Lists, find_lists

FOLDERS, CLASSES, LIST = 'folders', 'classes', 'list'
FORMATS = {
    FOLDERS: 'class folders in folders of splits',
    CLASSES: 'class folders in no split',
    LIST: 'a list of images with their classes',
}
"""Layouts by their name for ``--data-format``."""
NOT_CLASSES = {*INNER_FOLDERS, 'img', 'imgs', 'jpegimages', 'masks', 'labels', 'annotations'}
"""Names, in lowercase, of folders that are no classes if there are no others."""


class Reading(NamedTuple):
    """How a data set is read where several ways are possible."""

    format: str | None = None
    """A key of :data:`FORMATS`; None to recognize it."""
    label_column: str | None = None
    """The column of a list that has the classes; None to recognize it."""

    @classmethod
    def of(cls, dataset: Mapping[str, Any]) -> Reading:
        """Return that of a data set, from its config."""
        return cls(dataset.get('format'), dataset.get('label_column'))


AS_FOUND = Reading()


class Layout(NamedTuple):
    """Where classes and images are, if not in the folders of splits."""

    lists: Lists | None = None
    classes: list[str] | None = None
    """Class folders in no split."""
    others: tuple[str, ...] = ()
    """Folders beside them that are no classes."""


def find_layout(root: str | Path, reading: Reading) -> Layout:
    """Find the way to read a data set: folders of splits come first, where they have class folders.

    Raises:
        UserError: if there are several others, or not the one that is asked for.
    """
    wanted = reading.format
    if wanted is not None and wanted not in FORMATS:
        raise UserError(f'--data-format {wanted} is not for classification: take one of {", ".join(FORMATS)}')
    if Path(root).is_dir():
        root = Path(root)
        if wanted == FOLDERS or (wanted is None and any(has_classes(f) for f in _all_split_folders(root))):
            return Layout()
        classes, others = _unsplit_classes(root, wanted == CLASSES)
        if wanted == CLASSES:
            if not classes:
                raise NoData(f'{root} holds no folders with images, which --data-format {CLASSES} takes for classes')
            return Layout(None, classes, others)
    else:
        classes, others = [], ()
    lists = find_lists(root)
    if wanted == LIST and lists is None:
        raise NoData(f'{root} holds no list of images, such as train.csv or labels.csv: name one with {EXPLICIT}')
    if classes and misplaced(Path(root), IMAGE_FOLDER):
        classes = []
    if lists is not None and classes and wanted is None:
        raise UserError(
            f'{root} holds class folders ({shortened(classes, 3)}) and a list, {next(iter(lists.files.values()))}: '
            f'say which has the classes with --data-format {CLASSES} or --data-format {LIST}'
        )
    return Layout(lists) if lists is not None else Layout(None, classes or None, others)


def _all_split_folders(root: Path) -> list[Path]:
    names = {name for ranks in IMAGE_SPLITS.values() for rank in ranks for name in rank if name != 'test'}
    return [root / name for name in subfolders(root) if name.lower() in names]


def has_classes(folder: Path) -> bool:
    """Check whether a folder has class folders, not only such as ``images`` and ``labels``."""
    try:
        with os.scandir(folder) as entries:
            names = (entry.name.lower() for entry in entries if entry.is_dir() and not is_stray(entry.name))
            return any(name not in NOT_CLASSES for name in names)
    except OSError:
        return False


def _unsplit_classes(root: Path, all_of_them: bool) -> tuple[list[str], tuple[str, ...]]:
    """Return the class folders of a data set without splits, and folders beside them that are no classes.

    Args:
        root: the folder.
        all_of_them: a folder with the name of a split is a class, too.

    Raises:
        UserError: if a folder may be a class or a split.
    """
    names = subfolders(root)
    direct = [name for name in names if has_images(root / name)]
    tests = [] if all_of_them else [name for name in names if name.lower() in ('test', 'testing')]
    splits = {name for ranks in IMAGE_SPLITS.values() for rank in ranks for name in rank}
    doubtful = [name for name in direct if name.lower() in splits and name not in tests]
    direct = [name for name in direct if name not in tests and (all_of_them or name not in doubtful)]
    are_parts = all(name.lower() in NOT_CLASSES for name in direct)
    if not direct or (are_parts and not all_of_them):
        return [], ()
    if doubtful and not all_of_them:
        raise UserError(
            f'{root / doubtful[0]} holds images and is beside class folders ({shortened(direct, 3)}): if it is a '
            f'class, too, give --data-format {CLASSES}; if not, move it away'
        )
    classes = [n for n in names if n in direct or (n not in tests and find_files(root / n).images)]
    return classes, tuple(name for name in names if name not in classes)
