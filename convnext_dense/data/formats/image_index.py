"""Find the files of images that annotations name, wherever they are in a data set's folder."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

from ...errors import UserError
from ..image_files import find_files, images_in
from ..text import count_of, shortened
from .file_names import Folder, name_key, parts_of
from .split_names import splits_of_folders


class ImageIndex:
    """The images in a data set's folder and below it, which is listed only if a name does not lead to its file.

    Images of another split than the annotations' are never taken.

    Args:
        root: the data set's folder.
        annotations: a path in it whose names tell the split.
    """

    def __init__(self, root: Path, annotations: Path) -> None:
        self.root = root
        self._splits = splits_of_folders(Path(self.relative(annotations)))
        self._folders: dict[str | Path, Folder | None] = {}
        self.absent: list[str] = []
        """Names without a file, with their places; see :meth:`check`."""

    def find(self, name: str, folders: Sequence[str | Path]) -> str | None:
        """Find the file of a name.

        Args:
            name: a path, which may be one of another machine, or a URL.
            folders: folders to which it may be relative, the likeliest first.

        Returns:
            The path relative to the root; None if there is none, or if several fit as well.
        """
        if os.path.isabs(name) and '\0' not in name and os.path.isfile(name):
            return self.relative(name)
        for path in folders:  # as written
            if not os.path.isabs(name) and (folder := self._folder(path)) and folder.has(name):
                return self.relative(os.path.join(path, name))
        for path in folders:  # in another way of writing
            if (folder := self._folder(path)) and (file := folder.match([name])[name]) is not None:
                return self.relative(os.path.join(path, file))
        return self._nearest(parts_of(name), folders)

    def find_stem(self, stem: str, folders: Sequence[str | Path]) -> str | None:
        """Find the image whose name is ``stem`` with the suffix of an image; see :meth:`find`."""
        found = self._by_stem.get(name_key(stem), [])
        beside = [file for file in found if any(self._is_in(file, folder) for folder in folders)]
        return self._choose(beside or found, folders)

    def inside(self, folders: Sequence[str | Path]) -> list[str]:
        """List the images directly in the first of the folders that holds any."""
        for folder in folders:
            if images := images_in(folder):
                return [self.relative(image) for image in images]
        return []

    def relative(self, path: str | Path) -> str:
        """Return a path relative to the root."""
        return os.path.relpath(path, self.root)

    def note_absent(self, name: str, place: str) -> None:
        """Note that there is no file of a name, for :meth:`check`."""
        self.absent.append(f'{name} of {place}')

    def check(self, total: int) -> None:
        """Check that all files were found.

        Raises:
            UserError: if not.
        """
        if self.absent:
            several = count_of(self.absent, 'image')
            raise UserError(
                f'{several} of {total} not found in {self.root}, or in several places there '
                f'({shortened(self.absent, 3)}): copy them into it, or remove their annotations'
            )

    def _folder(self, path: str | Path) -> Folder | None:
        """Return a folder, or None if it is of another split."""
        if path not in self._folders:
            is_own = self._is_of_split(self.relative(path))
            self._folders[path] = Folder(Path(path)) if is_own else None
        return self._folders[path]

    def _is_in(self, file: str, folder: str | Path) -> bool:
        return os.path.dirname(os.path.normpath(file)) == os.path.normpath(self.relative(folder)).removeprefix('.')

    def _nearest(self, parts: Sequence[str], folders: Sequence[str | Path]) -> str | None:
        """Return the file that the longest end of a path leads to."""
        if not parts:
            return None
        found = self._by_name.get(name_key(parts[-1]), [])
        keys = [name_key(part) for part in reversed(parts)]
        ends = [_common(keys, [name_key(part) for part in reversed(file.split(os.sep))]) for file in found]
        longest = [file for file, end in zip(found, ends, strict=True) if end == max(ends)]
        return self._choose(longest, folders)

    def _choose(self, files: Sequence[str], folders: Sequence[str | Path]) -> str | None:
        """Return the only file, or the one whose folders have most names in common with those of the annotations."""
        files = [file for file in files if self._is_of_split(os.path.dirname(file))]
        if len(files) > 1:
            near = Counter(part for folder in folders for part in self.relative(folder).split(os.sep))
            shared = [sum(part in near for part in file.split(os.sep)[:-1]) for file in files]
            files = [file for file, count in zip(files, shared, strict=True) if count == max(shared)]
        return files[0] if len(files) == 1 else None

    def _is_of_split(self, folder: str) -> bool:
        return not self._splits or splits_of_folders(Path(folder)) <= self._splits

    @cached_property
    def _images(self) -> list[str]:
        return [self.relative(file) for file in find_files(self.root).images]

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        return _grouped((name_key(os.path.basename(file)), file) for file in self._images)

    @cached_property
    def _by_stem(self) -> dict[str, list[str]]:
        return _grouped((name_key(os.path.splitext(os.path.basename(file))[0]), file) for file in self._images)


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """Count the equal items at the start of two lists."""
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return count


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups
