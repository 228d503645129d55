"""Find the parts of a YOLO data set: its config, class names, and the images of each split."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from ...errors import UserError
from ..image_files import EXTENSIONS, images_in, is_stray, subfolders
from ..text import shortened
from .base import WHOLE
from .text_files import read_text, read_yaml
from .values import read_integer
from .yolo_labels import is_label_line
from .yolo_names import ClassNames, check_agreement, is_names_file, names_in, names_of_config

CONFIG_KEYS = {'train': ('train',), 'val': ('val', 'valid', 'validation'), 'test': ('test',)}
"""Keys of a config for the images of each split; the first one that is there counts."""
SPLIT_NAMES = {
    'train': ('train', 'training', 'train2017'),
    'val': ('val', 'valid', 'validation', 'val2017'),
    'test': ('test', 'testing', 'test2017'),
}
"""Names of folders and list files of each split, where there is no config; the first ones that exist are taken."""
IMAGE_FOLDERS = ('images', 'jpegimages')
"""Names, in lowercase, of folders of images whose labels are in ``labels`` beside it."""
LARGEST_CONFIG = 10_000_000
"""Bytes of a file beyond which it is no config."""
LOOKED_AT = 50
"""Maximum number of label files that are opened to recognize the format, and of folders in which they are searched."""
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
    """Folders of images and list files by split."""
    keypoints: int = 0
    """Number of numbers of an object's keypoints."""
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


def locate(path: Path) -> YoloData | None:
    """Find the parts of a data set at a config or in a folder; None if there is no YOLO data.

    Raises:
        UserError: if the config can't be read, names what is not there, or if there are several.
    """
    if path.is_file():
        if path.suffix.lower() in ('.yaml', '.yml'):
            return _read_config(path, _read_mapping(path))
        return _read_config(path, _read_darknet(path)) if path.suffix.lower() == '.data' else None
    if not path.is_dir():
        return None
    configs = [path / name for name in sorted(os.listdir(path)) if not is_stray(name) and _is_config(path / name)]
    if len(configs) > 1:
        names = shortened([file.name for file in configs])
        raise UserError(f'{path} holds {len(configs)} YOLO configs ({names}): give one, such as --data {configs[0]}')
    return locate(configs[0]) if configs else _locate_without_config(path)


def label_folder(folder: str) -> str | None:
    """Return the folder of the labels of a folder of images: its last ``images`` is ``labels``; None if not there."""
    parts = folder.split(os.sep)
    for number in range(len(parts) - 1, -1, -1):
        if parts[number].lower() in IMAGE_FOLDERS:
            above = os.sep.join(parts[:number]) or os.sep
            labels = child(Path(above), 'labels')
            below = None if labels is None else os.path.join(labels, *parts[number + 1 :])
            return below if below is not None and os.path.isdir(below) else None
    return None


def child(folder: Path, name: str) -> Path | None:
    """Return the subfolder of a name, which may be in other case if only one is; None if there is none."""
    if (folder / name).is_dir():
        return folder / name
    others = [other for other in subfolders(folder) if other.lower() == name]
    return folder / others[0] if len(others) == 1 else None


# -- with a config


def _is_config(file: Path) -> bool:
    """Check whether a file is a YOLO config by its first keys."""
    suffix = file.suffix.lower()
    if suffix not in ('.yaml', '.yml', '.data') or not file.is_file() or file.stat().st_size > LARGEST_CONFIG:
        return False
    try:
        text = read_text(file)
    except UserError:
        return file.stem.lower() in ('data', 'dataset', 'obj')
    keys = set(re.findall(r"""^[{ ]?["']?(\w+)["']?\s*[:=]""", text, re.MULTILINE))
    keys |= set(re.findall(r"""[{,]\s*["']?(\w+)["']?\s*:""", text) if text.lstrip().startswith('{') else ())
    classes = {'names', 'classes'} if suffix == '.data' else {'names', 'nc'}
    return bool(keys & classes and keys & {key for keys in CONFIG_KEYS.values() for key in keys})


def _read_mapping(file: Path) -> Mapping[str, Any]:
    config = read_yaml(file)
    if not isinstance(config, dict):
        raise UserError(f'{file} is not a YOLO config: write names, train and val')
    return config


def _read_darknet(file: Path) -> Mapping[str, Any]:
    """Read the lines ``key = value`` of Darknet's config."""
    config: dict[str, Any] = {}
    for line in read_text(file).splitlines():
        key, equals, value = line.partition('=')
        if equals and not key.lstrip().startswith('#'):
            config[key.strip()] = value.strip()
    if 'classes' in config:
        config['nc'] = config.pop('classes')
    return config


def _read_config(file: Path, config: Mapping[str, Any]) -> YoloData:
    folder, moved = file.parent, []
    root = folder
    if path := _text(config.get('path'), file, 'path'):
        root, note = _find_root(path, folder)
        moved += note
    roots = list(dict.fromkeys((root, folder)))
    names = config.get('names')
    if file.suffix.lower() == '.data' and isinstance(names, str) and names:
        found, note = _resolve(names, roots, file)
        if found is None:
            raise UserError(f'{file}: names is {names}, which is not there: {NAME_THE_CLASSES}')
        config, moved = {**config, 'names': os.path.abspath(found)}, moved + note
    data = YoloData(file, root, names_of_config(config, file), {}, _keypoints(config, file), moved)
    missing = {}
    for split, keys in CONFIG_KEYS.items():
        given = {key: entries for key in keys if (entries := _entries(config.get(key), file, key))}
        if len({tuple(entries) for entries in given.values()}) > 1:
            raise UserError(f'{file}: {" and ".join(given)} are both for validation: remove one of them')
        places = []
        for entry in next(iter(given.values()), []):
            place, note = _resolve(entry, roots, file)
            moved += note
            if place is None:
                missing.setdefault(
                    split, f'{file}: {split} is {entry}, which is not in {" nor in ".join(map(str, roots))}'
                )
            else:
                places.append(place)
        if places and split not in missing:
            data.splits[split] = places
    if data.splits:
        missing.pop('test', None)  # often named by an export without one, and not needed
    if missing:
        raise UserError(f'{next(iter(missing.values()))}: correct it, or get the images')
    if not data.splits:
        raise UserError(f'{file} names no images: write train and val')
    folders = [root, folder, *_folders_of_names(root), *_top_folders(data.splits)]
    others = names_in(folders)
    if config.get('names'):
        check_agreement(data.classes, others)
    else:
        data.classes = others or data.classes
    return data


def _text(value: Any, file: Path, key: str) -> str:
    if value in (None, '', 'null', '~'):
        return ''
    if not isinstance(value, str):
        raise UserError(f'{file}: {key} must be text')
    return value.strip()


def _entries(value: Any, file: Path, key: str) -> list[str]:
    """Return the paths of a split, which may be one or a list."""
    entries = [_text(entry, file, key) for entry in (value if isinstance(value, list) else [value])]
    return [entry for entry in entries if entry]


def _keypoints(config: Mapping[str, Any], file: Path) -> int:
    shape = config.get('kpt_shape')
    if shape in (None, '', 'null', '~'):
        return 0
    sides = [read_integer(side) for side in shape] if isinstance(shape, list) else []
    if len(sides) != 2 or any(side is None or not 0 < side < 10_000 for side in sides):
        raise UserError(f'{file}: kpt_shape must be two numbers: of keypoints, and 2 or 3 for each')
    return sides[0] * sides[1]  # type: ignore[operator]


def _find_root(path: str, folder: Path) -> tuple[Path, list[str]]:
    """Find the folder that ``path`` of a config means: relative to the config, to where we are, or of another place."""
    exact = [folder / _posix(path), Path(_posix(path))]
    for place in exact:
        if place.is_dir():
            return Path(os.path.normpath(place)), []
    for parts in _ends(path):
        place = folder.joinpath(*parts)
        if place.is_dir():
            return place, [f'{path}, which is {place} here']
    return folder, [f'{path}, which is {folder} here']


def _resolve(entry: str, roots: Sequence[Path], file: Path) -> tuple[Path | None, list[str]]:
    """Find what a path in a config means: exactly, without the ``../`` of Roboflow, or by its end if it was moved."""
    path = _posix(entry)
    inner = re.sub(r'^(\.\./)+', '', path)
    for root in roots:
        places = dict.fromkeys(Path(os.path.normpath(root / one)) for one in (path, inner) if (root / one).exists())
        if len(places) > 1:
            raise UserError(f'{file}: {entry} may be {" or ".join(map(str, places))}: write which, without ../')
        if places:
            return next(iter(places)), []
    for parts in _ends(entry):
        for root in roots:
            place = root.joinpath(*parts)
            if place.exists():
                return place, [f'{entry}, which is {place} here']
    return None, []


def _posix(path: str) -> str:
    return path.replace('\\', '/') if '\0' not in path else 'no path'


def _ends(path: str) -> Iterator[list[str]]:
    """Yield the parts of a path, then without the first ones, down to the last."""
    parts = [part for part in re.split(r'[\\/]', re.sub(r'^[A-Za-z]:', '', path)) if part not in ('', '.', '..')]
    for start in range(len(parts)):
        if '\0' not in path:
            yield parts[start:]


# -- without one


def _locate_without_config(root: Path) -> YoloData | None:
    splits = {split: entry for split, names in SPLIT_NAMES.items() if (entry := _find_split(root, names))}
    labelled = {split for split, entry in splits.items() if _has_labels(entry)}
    if labelled:
        splits = {split: entry for split, entry in splits.items() if split != 'test' or split in labelled}
    else:
        splits = {WHOLE: entry for entry in _find_whole(root)[:1]}
    if not splits:
        return None
    of_splits = {split: [entry] for split, entry in splits.items()}
    folders = [root, *_folders_of_names(root), *_top_folders(of_splits)]
    return YoloData(root, root, names_in(folders), of_splits)


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
            if folder is not None and any(images_in(one) for one in islice(_walk(folder), LOOKED_AT)):
                return folder
    return None


def _find_whole(root: Path) -> list[Path]:
    """Find the images of a data set without splits, with labels."""
    named = [one for name in IMAGE_FOLDERS if (one := child(root, name))]
    if not named and not images_in(root) and any(map(is_names_file, os.listdir(root))):
        named = [root / name for name in subfolders(root)]
    return [folder for folder in (*named, root) if _has_labels(folder)]


def _has_labels(entry: Path) -> bool:
    """Check whether the first label files of a folder or list file of images look like YOLO's."""
    if entry.is_file():
        names = list(islice(_listed_images(entry), LOOKED_AT))
        places = [_resolve(name, (entry.parent,), entry)[0] for name in names]
        folders = list(dict.fromkeys(place.parent for place in places if place is not None))
    else:
        folders = list(islice(_walk(entry), LOOKED_AT))
    looked_at = 0
    for folder in folders:
        stems = {os.path.splitext(os.path.basename(image))[0] for image in images_in(folder)}
        for place in (label_folder(str(folder)), str(folder)):
            for name in sorted(os.listdir(place)) if place and stems else ():
                stem, suffix = os.path.splitext(name)
                if suffix.lower() == '.txt' and stem in stems:
                    looked_at += 1
                    if looked_at > LOOKED_AT:
                        return False
                    if is_label_line(_first_line(os.path.join(place, name))):  # type: ignore[arg-type]
                        return True
    return False


def _first_line(file: str) -> bytes:
    try:
        with open(file, 'rb') as content:
            return next((line for line in islice(content, 10) if line.strip()), b'')[:10_000]
    except OSError:
        return b''


def _listed_images(file: Path) -> Iterator[str]:
    """Yield the first lines of a list file, if these name images."""
    line = _first_line(str(file)).strip()
    if not line.lower().endswith(tuple(one.encode() for one in EXTENSIONS)) or len(line) > 4_000:
        return
    with open(file, encoding='utf-8', errors='replace') as content:
        yield from (line.strip() for line in islice(content, LOOKED_AT) if line.strip())


def _walk(folder: Path) -> Iterator[Path]:
    """Yield a folder and its subfolders, nearest first."""
    waiting = [folder]
    while waiting:
        first = waiting.pop(0)
        yield first
        if len(waiting) < LOOKED_AT:
            waiting += [first / name for name in subfolders(first)]


def _folders_of_names(root: Path) -> list[Path]:
    labels = child(root, 'labels')
    return [] if labels is None else [labels, *(labels / name for name in subfolders(labels)[:LOOKED_AT])]


def _top_folders(splits: Mapping[str, list[Path]]) -> list[Path]:
    """Return the folders of splits, and the ones around their images and labels."""
    folders = [entry for entries in splits.values() for entry in entries if entry.is_dir()]
    around = [entry.parent for entry in folders if entry.name.lower() in IMAGE_FOLDERS]
    labels = [Path(place) for entry in folders if (place := label_folder(str(entry)))]
    return [*folders, *around, *labels]
