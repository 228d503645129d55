"""Find the files that the images of a COCO file name, also where a tool has written the names in another way."""

from __future__ import annotations

import difflib
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ...errors import UserError
from ..image_files import find_files

MOST_COMPARED = 20_000
"""Maximum number of files in a folder that are compared for the nearest name."""
PREFIX = re.compile(r'([0-9a-f]{8}[-_]+|COCO_[a-z]+[0-9]{4}_)(?=.)')
"""Beginnings of names that the images may lack: Label Studio adds one when it uploads them, COCO had one in 2014."""


class Folder:
    """A folder of images, each of whose folders is listed once, which is much faster than checking each file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._names: dict[str, set[str]] = {}
        self._by_key: dict[str, dict[str, list[str]]] = {}
        self._below: dict[str, list[str]] | None = None

    def match(self, names: Iterable[str], search: bool = False) -> dict[str, str | None]:
        """Find the file of each name.

        A file that is not there under its name is found by these rules, if exactly one fits and no other name has it:
        ``\\`` separates folders, ``%20`` stands for its character, and of a URL, of a path on a drive or of any other
        path the end counts that is in the folder; case and Unicode normal form don't matter; :data:`PREFIX` may be
        absent.

        Args:
            names: the names.
            search: True to take, if there is none by these rules, the only file in any folder below whose path ends
                with the name.

        Returns:
            By name, the path relative to the folder, or None if there is no such file.
        """
        found = {name: name if self.has(name) else self._find(name, search) for name in dict.fromkeys(names)}
        taken = Counter(os.path.normpath(file) for file in found.values() if file is not None)
        return {
            name: file if file is None or file == name or taken[os.path.normpath(file)] == 1 else None
            for name, file in found.items()
        }

    def nearest(self, name: str) -> str | None:
        """Return the name in the folder that is most like a missing one, or None if none is."""
        *folders, base = parts_of(name) or [name]
        parent = '/'.join(folders)
        names = sorted(self._list(parent) or self._list(''))[:MOST_COMPARED]
        return next(iter(difflib.get_close_matches(base, names, 1)), None)

    def has(self, name: str) -> bool:
        """Check whether there is a file under a name as it is written."""
        parent, base = os.path.split(name)
        return base in self._list(parent)

    def _find(self, name: str, search: bool) -> str | None:
        for parts in _readings(name):
            for start in range(len(parts)):
                file = self._follow(parts[start:])
                if file is not None:
                    return file or None
        return self._search(name) if search else None

    def _search(self, name: str) -> str | None:
        """Return the only file in any folder below whose path ends with a name, or with its end if it is of elsewhere.

        None if there is none, or several.
        """
        if self._below is None:
            self._below = {}
            try:
                files = find_files(self.path).files
            except (UserError, ValueError):
                files = []
            for file in files:
                self._below.setdefault(name_key(os.path.basename(file)), []).append(os.path.relpath(file, self.path))
        is_elsewhere = re.match(r'[\\/]|\.\.|[A-Za-z]:|[a-z][a-z0-9+.-]+://', name) is not None
        for parts in _readings(name):
            keys = [name_key(part) for part in parts]
            candidates = self._below.get(keys[-1], []) if keys else []
            for start in range(len(keys) if is_elsewhere else min(len(keys), 1)):
                fitting = [file for file in candidates if _ends_with(file, keys[start:])]
                if fitting:
                    return fitting[0] if len(fitting) == 1 else None
        return None

    def _follow(self, parts: list[str]) -> str | None:
        """Return the path of a file below the folder; None if there is none, an empty string if several fit."""
        path = ''
        for part in parts:
            if path and not os.path.isdir(self.path / path):
                return None
            names = self._keys(path).get(name_key(part), [])
            if part in names:
                names = [part]
            if len(names) != 1:
                return '' if names else None
            path = os.path.join(path, names[0])
        return path if os.path.isfile(self.path / path) else None

    def _list(self, parent: str) -> set[str]:
        if parent not in self._names:
            try:
                self._names[parent] = set(os.listdir(self.path / parent))
            except (OSError, ValueError):  # ValueError: a null character
                self._names[parent] = set()
        return self._names[parent]

    def _keys(self, parent: str) -> dict[str, list[str]]:
        if parent not in self._by_key:
            by_key = self._by_key[parent] = {}
            for name in self._list(parent):
                by_key.setdefault(name_key(name), []).append(name)
        return self._by_key[parent]


def name_key(name: str) -> str:
    """Return the same text for names that differ in case or Unicode normal form alone."""
    return unicodedata.normalize('NFC', name).casefold()


def _readings(name: str) -> Iterator[list[str]]:
    """Yield the parts of a path as written, with ``%20`` and the like as their characters, and without a prefix."""
    written = parts_of(name)
    yield written
    if '%' in name:
        yield parts_of(unquote(name))
    if written and PREFIX.match(written[-1]):
        yield [*written[:-1], PREFIX.sub('', written[-1], count=1)]


def _ends_with(file: str, keys: list[str]) -> bool:
    return [name_key(part) for part in file.split(os.sep)[-len(keys) :]] == keys


def parts_of(name: str) -> list[str]:
    """Return the parts of a path of any system, or of a URL, without its drive."""
    if local := re.search(r'\?d=([^&]+)', name):  # of Label Studio: /data/local-files/?d=images/1.jpg
        name = unquote(local[1])
    if re.match(r'[a-z][a-z0-9+.-]+://', name, re.IGNORECASE):
        try:
            name = urlsplit(name).path
        except ValueError:
            return []
    parts = re.split(r'[\\/]', re.sub(r'^[A-Za-z]:(?=[\\/])', '', name))
    return [part for part in parts if part not in ('', '.', '..')]
