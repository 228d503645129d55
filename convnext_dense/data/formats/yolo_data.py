"""Parts of a YOLO data set, and its folders by their names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import UserError
from ..image_files import subfolders
from .yolo_names import ClassNames

IMAGE_FOLDERS = ('images', 'jpegimages')
"""Names, in lowercase, of folders of images whose labels are in ``labels`` beside it."""
MOST_FOLDERS = 50
"""Maximum number of folders in which files with class names are searched."""
NAME_THE_CLASSES = 'write them to classes.txt, a line for each class, or to data.yaml (names: [cat, dog])'


@dataclass
class YoloData:
    """The parts of a YOLO data set."""

    file: Path
    """The config, or the folder where there is none."""
    root: Path
    """The folder to which names of images are relative."""
    classes: ClassNames | None
    splits: dict[str, list[Path]]
    """Folders of images and list files by split; none for one that is absent."""
    keypoints: int = 0
    """Number of numbers of an object's keypoints."""
    read: list[Path] = field(default_factory=list)
    """Files beside :attr:`file` that were read to find the parts, such as those with class names."""
    absent: dict[str, str] = field(default_factory=dict)
    """What is wrong with the places of splits whose images are not there."""
    moved: list[str] = field(default_factory=list)
    """Paths in the config that are of another place, and where they are here."""

    def require_classes(self) -> ClassNames:
        """Return the class names.

        Raises:
            UserError: if there are none.
        """
        if self.classes is None:
            raise UserError(f'{self.file} has YOLO labels, and no names of their classes: {NAME_THE_CLASSES}')
        return self.classes


def label_folder(folder: str) -> str | None:
    """Return the folder of the labels of images, ``labels`` for the last ``images`` that has it; None if none has."""
    parts = folder.split(os.sep)
    for number in range(len(parts) - 1, -1, -1):
        if parts[number].lower() in IMAGE_FOLDERS:
            above = os.sep.join(parts[:number]) or os.sep
            labels = child(Path(above), 'labels')
            below = None if labels is None else os.path.join(labels, *parts[number + 1 :])
            if below is not None and os.path.isdir(below):
                return below
    return None


def child(folder: Path, name: str) -> Path | None:
    """Return the subfolder of a name, which may be in other case if only one is; None if there is none."""
    if (folder / name).is_dir():
        return folder / name
    others = [other for other in subfolders(folder) if other.lower() == name]
    return folder / others[0] if len(others) == 1 else None


def folders_of_names(root: Path, splits: Mapping[str, list[Path]]) -> list[Path]:
    """Return the folders of a data set in which tools write class names: the root, and those of images and labels."""
    labels = child(root, 'labels')
    of_labels = [] if labels is None else [labels, *(labels / name for name in subfolders(labels)[:MOST_FOLDERS])]
    folders = [entry for entries in splits.values() for entry in entries if entry.is_dir()]
    around = [entry.parent for entry in folders if entry.name.lower() in IMAGE_FOLDERS]
    return [root, *of_labels, *folders, *around, *(Path(p) for entry in folders if (p := label_folder(str(entry))))]
