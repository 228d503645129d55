"""Class names of YOLO data sets, from the config and from the files that tools write beside labels."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import UserError
from ..image_files import is_stray
from ..text import quoted, shortened
from .text_files import list_names, read_text
from .values import read_integer

NAME_FILES = ('classes.txt', 'obj.names', '_darknet.labels', 'predefined_classes.txt', 'notes.json')
"""Files with class names of LabelImg, Darknet, Roboflow and Label Studio; others end with ``.names``."""


class ClassNames(NamedTuple):
    """Names of the classes by their ids."""

    names: Mapping[int, str]
    file: Path
    """The file that they are from."""

    @property
    def ids(self) -> str:
        """The ids, for messages: ``'0 to 79'``, or all of them if there are gaps."""
        ids = sorted(self.names)
        if ids == list(range(len(ids))) and len(ids) > 1:
            return f'0 to {ids[-1]}'
        return shortened([str(number) for number in ids], 10)


def is_names_file(name: str) -> bool:
    """Check whether a file of this name has class names."""
    return not is_stray(name) and (name in NAME_FILES or name.endswith('.names'))


def name_files(folders: Iterable[Path]) -> list[Path]:
    """List the files with class names in some folders."""
    found = (
        folder / name
        for folder in dict.fromkeys(folders)
        if folder.is_dir()
        for name in filter(is_names_file, list_names(folder))
    )
    return [file for file in found if file.is_file()]


def names_in(folders: Iterable[Path]) -> ClassNames | None:
    """Read the class names from the files in some folders, which must agree; None if there are none.

    Raises:
        UserError: if two files name a class differently, or one can't be read.
    """
    found: ClassNames | None = None
    for one in filter(None, map(_read_file, name_files(folders))):
        check_agreement(found, one)
        if found is None or len(one.names) > len(found.names):
            found = one
    return found


def check_agreement(one: ClassNames | None, other: ClassNames | None) -> None:
    """Check that no class has two names.

    Raises:
        UserError: if one has.
    """
    if one is None or other is None:
        return
    for number, name in one.names.items():
        if other.names.get(number, name) != name:
            raise UserError(
                f'class {number} is {name} in {one.file} and {other.names[number]} in {other.file}: '
                'correct or remove one of them'
            )


def names_of_config(config: Mapping[str, Any], file: Path) -> ClassNames | None:
    """Read ``names`` and ``nc`` of a YOLO config, whose scalars are text; None if it has neither.

    Without ``names``, classes are ``class_0`` and so on, as in Ultralytics. The ids of a mapping may have gaps.

    Raises:
        UserError: for names that can't be read, and if ``nc`` is another number.
    """
    entries: Any = config.get('names')
    count = None
    if _is_given(config.get('nc')):
        count = read_integer(config['nc'])
        if count is None or count < 1:
            raise UserError(f'{file}: nc is {quoted(config["nc"])}: write the number of classes')
    if not _is_given(entries):
        return None if count is None else ClassNames({n: f'class_{n}' for n in range(count)}, file)
    if isinstance(entries, str):
        other = named_file(entries, file)
        if other is None:
            raise UserError(f'{file}: names is {quoted(entries)}: write a list of names, or the file that has them')
        names = _names_of_lines(other)
    elif isinstance(entries, Mapping):
        names = _names_by_id(entries, file)
    else:
        names = _check_names(dict(enumerate(entries)), file)
    if count is not None and count not in (len(names), max(names) + 1):
        raise UserError(f'{file}: nc is {count}, and there are {len(names)} names: correct one of them')
    return ClassNames(names, file)


def named_file(entries: Any, file: Path) -> Path | None:
    """Return the file that ``names`` of a YOLO config may be; None if it is none."""
    if not isinstance(entries, str) or not entries:
        return None
    other = file.parent / entries
    return other if os.path.isfile(other) else None  # False also for a path that is too long


def _is_given(value: Any) -> bool:
    return value not in (None, '', 'null', '~', [], {})


def _names_by_id(entries: Mapping[Any, Any], file: Path) -> dict[int, str]:
    names = {}
    for key, name in entries.items():
        number = read_integer(key)
        if number is None or number < 0:
            raise UserError(f'{file}: names has the key {quoted(key)}: write the ids of the classes, from 0')
        if number in names:
            raise UserError(f'{file}: names has the id {number} twice')
        names[number] = name
    return _check_names(dict(sorted(names.items())), file)


def _check_names(names: dict[int, Any], file: Path) -> dict[int, str]:
    for number, name in names.items():
        if not isinstance(name, str) or not name.strip():
            raise UserError(f'{file}: class {number} has the name {quoted(name)}: write text')
    return {number: name.strip() for number, name in names.items()}


def _read_file(file: Path) -> ClassNames | None:
    names = _names_of_notes(file) if file.suffix == '.json' else _names_of_lines(file)
    return ClassNames(names, file) if names else None


def _names_of_lines(file: Path) -> dict[int, str]:
    lines = [line.strip() for line in read_text(file).splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    if '' in lines:
        raise UserError(f'{file}:{lines.index("") + 1} is empty, so that the ids of the classes after it are unclear')
    return dict(enumerate(lines))


def _names_of_notes(file: Path) -> dict[int, str]:
    """Read Label Studio's notes; empty for any other JSON file."""
    try:
        entries = json.loads(read_text(file))['categories']
        return _names_by_id({entry['id']: entry['name'] for entry in entries}, file)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        if isinstance(error, UserError):
            raise
        return {}
