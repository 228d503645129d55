"""Read the config of a YOLO data set: Ultralytics' ``data.yaml`` or Darknet's ``obj.data``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import UserError
from .text_files import read_text, read_yaml
from .values import read_integer
from .yolo_data import NAME_THE_CLASSES, YoloData, folders_of_names
from .yolo_names import check_agreement, name_files, named_file, names_in, names_of_config

CONFIG_KEYS = {'train': ('train',), 'val': ('val', 'valid', 'validation'), 'test': ('test',)}
"""Keys of a config for the images of each split; the first one that is there counts."""
LARGEST_CONFIG = 10_000_000
"""Bytes of a file beyond which it is no config."""


def read_config(file: Path) -> YoloData | None:
    """Read the config of a data set; None for a file of another name.

    Raises:
        UserError: if it can't be read, or names what is not there.
    """
    suffix = file.suffix.lower()
    if suffix in ('.yaml', '.yml'):
        return _read(file, _read_mapping(file))
    return _read(file, _read_darknet(file)) if suffix == '.data' else None


def may_be_config(file: Path) -> bool:
    """Check whether a file may be a YOLO config by its name and size."""
    is_named = file.suffix.lower() in ('.yaml', '.yml', '.data')
    return is_named and file.is_file() and file.stat().st_size <= LARGEST_CONFIG


def is_config(file: Path) -> bool:
    """Check whether a file is a YOLO config by its first keys."""
    suffix = file.suffix.lower()
    if not may_be_config(file):
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


def _read(file: Path, config: Mapping[str, Any]) -> YoloData:
    folder, moved = file.parent, []
    root = folder
    if path := _text(config.get('path'), file, 'path'):
        root, note = _find_root(path, folder)
        moved += note
    roots = list(dict.fromkeys((root, folder)))
    names = config.get('names')
    if file.suffix.lower() == '.data' and isinstance(names, str) and names:
        found, note = resolve(names, roots, file)
        if found is None:
            raise UserError(f'{file}: names is {names}, which is not there: {NAME_THE_CLASSES}')
        config, moved = {**config, 'names': os.path.abspath(found)}, moved + note
    data = YoloData(file, root, names_of_config(config, file), {}, _keypoints(config, file), moved=moved)
    missing: dict[str, str] = {}
    for split, keys in CONFIG_KEYS.items():
        given = {key: entries for key in keys if (entries := _entries(config.get(key), file, key))}
        if len({tuple(entries) for entries in given.values()}) > 1:
            raise UserError(f'{file}: {" and ".join(given)} are both for validation: remove one of them')
        places = []
        for entry in next(iter(given.values()), []):
            place, note = resolve(entry, roots, file)
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
    fix = 'correct it, get the images, or choose another format with --data-format'
    data.absent = {split: f'{line}: {fix}' for split, line in missing.items()}
    if missing and not data.splits:
        raise UserError(next(iter(data.absent.values())))
    data.splits |= {split: [] for split in missing}
    if not data.splits:
        raise UserError(f'{file} names no images: write train and val')
    folders = [folder, *folders_of_names(root, data.splits)]
    others, listed = names_in(folders), named_file(config.get('names'), file)
    data.read = [*([listed] if listed else []), *name_files(folders)]
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
    """Find what ``path`` of a config means: relative to the config, to the current folder, or of another place."""
    exact = [folder / _posix(path), Path(_posix(path))]
    for place in exact:
        if os.path.isdir(place):
            return Path(os.path.normpath(place)), []
    for parts in _ends(path):
        place = folder.joinpath(*parts)
        if os.path.isdir(place):
            return place, [f'{path}, which is {place} here']
    return folder, [f'{path}, which is {folder} here']


def resolve(entry: str, roots: Sequence[Path], file: Path) -> tuple[Path | None, list[str]]:
    """Find what a path in a config means: exactly, without the ``../`` of Roboflow, or by its end if it was moved.

    Raises:
        UserError: if several places fit as well.
    """
    path = _posix(entry)
    inner = re.sub(r'^(\.\./)+', '', path)
    for root in roots:
        places = dict.fromkeys(
            Path(os.path.normpath(root / one)) for one in (path, inner) if os.path.exists(root / one)
        )
        if len(places) > 1:
            raise UserError(f'{file}: {entry} may be {" or ".join(map(str, places))}: write which, without ../')
        if places:
            return next(iter(places)), []
    for parts in _ends(entry):
        existing = [place for root in roots if os.path.exists(place := root.joinpath(*parts))]
        ends = {os.path.realpath(place): place for place in existing}
        if len(ends) > 1:
            raise UserError(
                f'{file}: {entry} is not there, and may be {" or ".join(map(str, ends.values()))}: write which'
            )
        for place in ends.values():
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
