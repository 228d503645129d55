"""Find the parts of a data set in Pascal VOC's format: XML files, images, and lists of each split."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from ...errors import UserError
from ..image_files import is_stray, subfolders
from .base import WHOLE
from .first_files import head, walk
from .split_names import SPLIT_NAMES
from .text_files import list_names

ANNOTATION_FOLDERS = ('annotations', 'annotation', 'xmls', 'xml', 'labels')
IMAGE_FOLDERS = ('jpegimages', 'images', 'image', 'imgs', 'img')
"""Names, in lowercase, of folders of XML files and of images; the first ones that exist are taken."""
LOOKED_AT = 20
"""Maximum number of XML files that are opened to recognize the format, and of folders in which they are searched."""
ROOT_TAG = re.compile(rb'<annotation[\s>]')
CLASS_FILES = ('labelmap.txt', 'label_map.pbtxt', 'labelmap.pbtxt', 'classes.txt', 'labels.txt', 'obj.names')
"""Files with class names, of which there may be one."""


class VocPart(NamedTuple):
    """The files of a split."""

    annotations: Path
    """Folder of the XML files."""
    images: Path
    """Folder of the images."""
    names: Path | None = None
    """List of the names of images in the split; None for all."""


@dataclass
class VocData:
    """The parts of a data set."""

    root: Path
    """The folder to which names of images are relative."""
    parts: dict[str, VocPart]
    """The files by split."""
    class_file: Path | None
    """The file with the class names."""


def locate(root: Path) -> VocData | None:
    """Find the parts of a data set in a folder; None if there are no XML files of VOC.

    Raises:
        UserError: if there are several data sets, or lists that don't make splits.
    """
    if not root.is_dir():
        return None
    root = _dataset_folder(root)
    annotations = _annotations_of(root)
    parts: dict[str, VocPart] = {}
    if annotations is not None:
        parts = _listed_parts(root, annotations) or _parts_of_subfolders(annotations, _images_of(root))
        parts = parts or {WHOLE: VocPart(annotations, _images_of(root) or root)}
    else:
        for split, names in SPLIT_NAMES.items():
            if (folder := _named(root, names)) and (part := _part_of_folder(folder)):
                parts[split] = part
        if not parts and has_voc(root, below=False):
            parts = {WHOLE: VocPart(root, _images_of(root) or root)}
    if not parts:
        return None
    folders = dict.fromkeys([root, *(part.annotations for part in parts.values())])
    files = [folder / name for folder in folders for name in CLASS_FILES if (folder / name).is_file()]
    if len(files) > 1:
        raise UserError(f'{root} has the class names in {" and in ".join(map(str, files))}: remove one of them')
    return VocData(root, parts, files[0] if files else None)


def has_voc(folder: Path, below: bool = True) -> bool:
    """Check whether the first XML files of a folder, or of those in it, are annotations of images."""
    folders = walk(folder, LOOKED_AT if below else 1)
    names = ((one, name) for one in folders for name in list_names(one))
    files = (place / name for place, name in names if name.lower().endswith('.xml') and not is_stray(name))
    return any(ROOT_TAG.search(head(file).replace(b'\0', b'')) for file in islice(files, LOOKED_AT))  # also in UTF-16


def _dataset_folder(root: Path) -> Path:
    """Return the folder of a data set in a devkit, or the folder itself.

    Raises:
        UserError: if there are several.
    """
    if _named(root, ANNOTATION_FOLDERS) is None and (devkit := _named(root, ('vocdevkit',))):
        root = devkit
    years = [root / name for name in subfolders(root) if re.fullmatch(r'VOC\d{4}', name)]
    years = [year for year in years if (year / 'Annotations').is_dir()]
    if len(years) > 1 and _named(root, ANNOTATION_FOLDERS) is None:
        names = ', '.join(year.name for year in years)
        raise UserError(f'{root} holds {names}: give one of them, such as --data {years[-1]}')
    return years[0] if years and _named(root, ANNOTATION_FOLDERS) is None else root


def _named(folder: Path, names: Sequence[str]) -> Path | None:
    """Return the first subfolder of these names, in any case."""
    own = {name.lower(): name for name in reversed(subfolders(folder))}
    return next((folder / own[name] for name in names if name in own), None)


def _annotations_of(root: Path) -> Path | None:
    """Return the first folder of XML files, which may be that of the images."""
    folders = (_named(root, (name,)) for name in (*ANNOTATION_FOLDERS, *IMAGE_FOLDERS))
    return next((folder for folder in folders if folder is not None and has_voc(folder)), None)


def _images_of(root: Path) -> Path | None:
    return _named(root, IMAGE_FOLDERS)


def _listed_parts(root: Path, annotations: Path) -> dict[str, VocPart]:
    """Return the splits that lists in ``ImageSets/Main`` make."""
    sets = _named(root, ('imagesets',))
    main = sets and (_named(sets, ('main',)) or sets)
    if main is None:
        return {}
    lists = {name: main / f'{name}.txt' for name in ('train', 'val', 'trainval', 'test')}
    lists = {name: file for name, file in lists.items() if file.is_file()}
    if 'trainval' in lists and 'train' not in lists:
        if 'val' in lists:
            raise UserError(
                f'{main} has trainval.txt and val.txt: write train.txt with the images that are not in val'
            )
        lists['train'] = lists['trainval']
    images = _images_of(root) or root
    return {split: VocPart(annotations, images, lists[split]) for split in SPLIT_NAMES if split in lists}


def _parts_of_subfolders(annotations: Path, images: Path | None) -> dict[str, VocPart]:
    """Return the splits of ``annotations/train`` with ``images/train`` and so on."""
    parts = {}
    for split, names in SPLIT_NAMES.items():
        folder = _named(annotations, names)
        if folder is not None and has_voc(folder):
            own = images and _named(images, names)
            parts[split] = VocPart(folder, own or images or folder)
    return parts


def _part_of_folder(folder: Path) -> VocPart | None:
    """Return the part in a folder of a split: XML files in a folder of their own, or beside the images."""
    annotations = _annotations_of(folder)
    if annotations is not None:
        return VocPart(annotations, _images_of(folder) or folder)
    return VocPart(folder, _images_of(folder) or folder) if has_voc(folder, below=False) else None
