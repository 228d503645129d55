"""Find the parts of a YOLO data set in a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from ...errors import UserError
from ..image_files import EXTENSIONS, images_in, is_stray, subfolders
from ..text import shortened
from .base import WHOLE
from .first_files import walk
from .split_names import SPLIT_NAMES
from .text_files import first_line, list_names
from .yolo_config import is_config, may_be_config, read_config, resolve
from .yolo_data import IMAGE_FOLDERS, YoloData, child, folders_of_names, label_folder
from .yolo_labels import is_label_line
from .yolo_names import is_names_file, name_files, names_in

LOOKED_AT = 50
"""Maximum number of label files that are opened to recognize the format, and of folders in which they are searched."""


def locate(path: Path) -> YoloData | None:
    """Find the parts of a data set at a config or in a folder; None if there is no YOLO data.

    Raises:
        UserError: if the config can't be read, names what is not there, or if there are several.
    """
    if path.is_file():
        return read_config(path)
    if not path.is_dir():
        return None
    configs = [path / name for name in list_names(path) if not is_stray(name) and is_config(path / name)]
    if len(configs) > 1:
        names = shortened([file.name for file in configs])
        raise UserError(f'{path} holds {len(configs)} YOLO configs ({names}): give one, such as --data {configs[0]}')
    return read_config(configs[0]) if configs else _locate_without_config(path)


def _locate_without_config(root: Path) -> YoloData | None:
    splits = {split: entry for split, names in SPLIT_NAMES.items() if (entry := _find_split(root, names))}
    labeled = {split for split, entry in splits.items() if _has_labels(entry)}
    if labeled:
        splits = {split: entry for split, entry in splits.items() if split != 'test' or split in labeled}
    else:
        whole = _find_whole(root)
        splits = {WHOLE: whole[0]} if whole else {}
    if not splits:
        return None
    of_splits = {split: [entry] for split, entry in splits.items()}
    folders = folders_of_names(root, of_splits)
    classes = names_in(folders)
    if classes is None and _is_near_config(root):
        return None
    others = [root / name for name in list_names(root) if may_be_config(root / name)]  # which one may become
    return YoloData(root, root, classes, of_splits, read=[*name_files(folders), *others])


def _is_near_config(root: Path) -> bool:
    """Check whether a folder is a part of a data set with a config, or around one."""
    below = [root / name for name in subfolders(root)[:LOOKED_AT]]
    below += [folder / name for folder in below for name in subfolders(folder)[:LOOKED_AT]]
    near = [*islice(Path(os.path.abspath(root)).parents, 2), *below]
    return any(is_config(folder / name) for folder in near for name in _names(folder) if not is_stray(name))


def _names(folder: Path) -> list[str]:
    try:
        return list_names(folder)
    except UserError:
        return []


def _find_split(root: Path, names: Sequence[str]) -> Path | None:
    """Find the list file of a split, or its folder that has images."""
    for name in names:
        file = root / f'{name}.txt'
        if file.is_file() and next(_listed_images(file), None) is not None:
            return file
    images = child(root, 'images')
    for name in names:
        own = child(root, name)
        folders = [images and child(images, name), own and child(own, 'images'), own]
        for folder in folders:
            if folder is not None and any(images_in(one) for one in walk(folder, LOOKED_AT)):
                return folder
    return None


def _find_whole(root: Path) -> list[Path]:
    """Find the images of a data set without splits, with labels."""
    named = [one for name in IMAGE_FOLDERS if (one := child(root, name))]
    if not named and not images_in(root) and any(map(is_names_file, list_names(root))):
        named = [root / name for name in subfolders(root)]
    return [folder for folder in (*named, root) if _has_labels(folder)]


def _has_labels(entry: Path) -> bool:
    """Check whether the first label files of a folder or list file of images look like YOLO's."""
    if entry.is_file():
        names = list(islice(_listed_images(entry), LOOKED_AT))
        places = [resolve(name, (entry.parent,), entry)[0] for name in names]
        folders = list(dict.fromkeys(place.parent for place in places if place is not None))
    else:
        folders = list(walk(entry, LOOKED_AT))
    looked_at = 0
    for folder in folders:
        stems = {os.path.splitext(os.path.basename(image))[0] for image in images_in(folder)}
        for place in (label_folder(str(folder)), str(folder)):
            for name in list_names(place) if place and stems else ():
                stem, suffix = os.path.splitext(name)
                if suffix.lower() == '.txt' and stem in stems:
                    looked_at += 1
                    if looked_at > LOOKED_AT:
                        return False
                    if is_label_line(first_line(os.path.join(place, name))):  # type: ignore[arg-type]
                        return True
    return False


def _listed_images(file: Path) -> Iterator[str]:
    """Yield the first lines of a list file, if these name images."""
    line = first_line(file).strip()
    if not line.lower().endswith(tuple(one.encode() for one in EXTENSIONS)) or len(line) > 4_000:
        return
    with open(file, encoding='utf-8', errors='replace') as content:
        yield from (line.strip() for line in islice(content, LOOKED_AT) if line.strip())
