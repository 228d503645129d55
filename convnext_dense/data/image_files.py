"""Find image files: hidden files, folders of other programs and links in circles are left out, and counted."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import UserError
from .text import count_of, shortened

EXTENSIONS = ('.jpg', '.jpeg', '.jpe', '.jfif', '.png', '.webp', '.bmp', '.ppm', '.tif', '.tiff', '.npy')
"""Suffixes of image files in lowercase."""
STRAY_NAMES = {
    *('__macosx', '@eadir', '@tmp', '@recycle', '#recycle', '#snapshot', '$recycle.bin', '__pycache__'),
    *('system volume information', 'lost+found', 'thumbs.db', 'ehthumbs.db', 'desktop.ini', 'icon\r'),
}
"""Names, in lowercase, of files and folders that systems and other programs leave beside images."""


@dataclass
class FoundFiles:
    """The files in a folder and its subfolders."""

    files: list[str] = field(default_factory=list)
    """Paths of all files that are not left out, sorted."""
    left_out: list[str] = field(default_factory=list)
    """Paths of stray folders and images, and of links to a folder that they are in."""

    @property
    def images(self) -> list[str]:
        """The image files, by their suffix."""
        return [file for file in self.files if file.lower().endswith(EXTENSIONS)]

    def describe_others(self) -> str:
        """Describe the files that are no images by their suffixes, such as ``12 .gif, 1 .txt``; ``''`` if none."""
        suffixes = Counter(
            os.path.splitext(file)[1].lower() or 'without suffix'
            for file in self.files
            if not file.lower().endswith(EXTENSIONS)
        )
        return shortened([f'{count} {suffix}' for suffix, count in suffixes.most_common()], 3)


def find_files(folder: str | Path) -> FoundFiles:
    """List the files in a folder and its subfolders.

    Links to folders are followed, except to a folder that they are in, directly or through other links: its files
    would be found again and again. :func:`is_stray` says which names are left out below the folder.

    Raises:
        UserError: for a folder that may not be read, since its files would be missing in silence.
    """
    found = FoundFiles()
    above = os.path.dirname(os.path.abspath(folder))
    # folders, each with the real paths of the way to it: of the folder before each link, and its own
    waiting: list[tuple[str, tuple[str, ...]]] = [(str(folder), (os.path.realpath(above), os.path.realpath(folder)))]
    while waiting:
        parent, way = waiting.pop()
        try:
            with os.scandir(parent) as scanned:
                entries = list(scanned)
        except PermissionError as error:
            raise UserError(f'folder {parent} cannot be read ({error.strerror}): allow it, or move it away') from None
        except OSError:
            continue
        for entry in entries:
            is_folder = entry.is_dir()
            if is_stray(entry.name):
                if is_folder or entry.name.lower().endswith(EXTENSIONS):
                    found.left_out.append(entry.path)
            elif not is_folder:
                found.files.append(entry.path)
            elif not entry.is_symlink():
                waiting.append((entry.path, (*way[:-1], os.path.join(way[-1], entry.name))))
            else:
                target = os.path.realpath(entry.path)
                if any(_is_inside(place, target) for place in way):
                    found.left_out.append(entry.path)
                else:
                    waiting.append((entry.path, (*way, target)))
    found.files.sort()
    found.left_out.sort()
    return found


def is_stray(name: str) -> bool:
    """Check whether a file or folder of this name is hidden, or was left behind by a system or another program."""
    return name.startswith('.') or name.lower() in STRAY_NAMES


def subfolders(folder: str | Path) -> list[str]:
    """List the names of a folder's subfolders, sorted, without stray ones and links to a folder that they are in.

    The list is empty if the folder can't be read.
    """
    return sorted(os.path.basename(path) for path in _subfolders(folder) if not _is_left_out(path))


def stray_subfolders(folder: str | Path) -> list[str]:
    """List the paths of the subfolders that :func:`subfolders` leaves out, sorted."""
    return sorted(path for path in _subfolders(folder) if _is_left_out(path))


def images_in(folder: str | Path) -> list[str]:
    """List the paths of the images directly in a folder, sorted, without stray ones; empty if it can't be read."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.name.lower().endswith(EXTENSIONS)]
    except OSError:
        return []
    return [os.path.join(folder, name) for name in sorted(names) if not is_stray(name)]


def has_images(folder: str | Path) -> bool:
    """Check whether there are images directly in a folder, without listing them."""
    try:
        with os.scandir(folder) as entries:
            return any(entry.name.lower().endswith(EXTENSIONS) and not is_stray(entry.name) for entry in entries)
    except OSError:
        return False


def describe_left_out(paths: Sequence[str]) -> str:
    """Describe files and folders that were left out in one line; ``''`` if there are none."""
    if not paths:
        return ''
    named = Counter(map(os.path.basename, paths))
    names = [f'{name} ({count} times)' if count > 1 else name for name, count in named.most_common()]
    return (
        f'{count_of(paths, "file or folder", "files and folders")} left out, which are hidden, of another program, '
        f'or a link to a folder around it: {shortened(names)}'
    )


def _subfolders(folder: str | Path) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            yield from [entry.path for entry in entries if entry.is_dir()]
    except OSError:
        return


def _is_left_out(path: str) -> bool:
    above, name = os.path.split(path)
    return is_stray(name) or (os.path.islink(path) and _is_inside(os.path.realpath(above), os.path.realpath(path)))


def _is_inside(place: str, folder: str) -> bool:
    """Check whether a real path is a folder or is in it."""
    return place == folder or place.startswith(folder.rstrip(os.sep) + os.sep)
