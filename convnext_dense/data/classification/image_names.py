"""Names of images in lists, and the files that they are of; names of splits in those of files and folders."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import Path

from ..image_files import find_files

SPLIT_NAMES = {
    'train': ('train', 'training', 'trainval'),
    'val': ('val', 'valid', 'validation', 'dev', 'eval'),
    'test': ('test', 'testing'),
}
"""Names of splits in the names of lists, of folders, and in a column."""
GENERIC_FOLDERS = {
    *('images', 'image', 'img', 'imgs', 'data', 'jpg', 'jpeg', 'jpegs', 'png', 'jpegimages', 'pictures', 'photos'),
    *(name for names in SPLIT_NAMES.values() for name in names),
    *(f'{name}_images' for names in SPLIT_NAMES.values() for name in names),
    *(f'images_{name}' for names in SPLIT_NAMES.values() for name in names),
}
"""Names, in lowercase, of folders that hold images whatever their class is."""


class Images:
    """The images in a folder and its subfolders, by their names in lists.

    Args:
        root: the folder.
        split: the split whose folder is preferred, where several images have a name.
    """

    def __init__(self, root: Path, split: str) -> None:
        self.root, self.split = root, split

    @cached_property
    def _by_end(self) -> dict[str, list[tuple[str, ...]]]:
        """The parts of the paths of images, relative to the root, by their last one with and without suffix."""
        by_end: dict[str, list[tuple[str, ...]]] = {}
        for path in find_files(self.root).images:
            parts = tuple(os.path.relpath(path, self.root).split(os.sep))
            for end in {folded(parts[-1]), folded(os.path.splitext(parts[-1])[0])}:
                by_end.setdefault(end, []).append(parts)
        return by_end

    def match(self, names: Sequence[str]) -> dict[str, str | None]:
        """Find the file of each name; None if there is none, or several fit.

        The end of a path counts, so that paths of another machine fit, and names of a deeper folder. Names may be
        without suffix.
        """
        return {name: self._find(name) for name in dict.fromkeys(names)}

    def is_image(self, name: str) -> bool:
        """Check whether there is an image of this name."""
        return self._find(name) is not None

    def beside(self, paths: Collection[str]) -> list[str]:
        """Return the names of other images in the folders of images, sorted."""
        folders = {os.path.dirname(path) for path in paths}
        return [
            os.path.relpath(path, self.root)
            for path in find_files(self.root).images
            if path not in paths and os.path.dirname(path) in folders
        ]

    def _find(self, name: str) -> str | None:
        parts = [folded(part) for part in path_parts(name)]
        if not parts:
            return None
        fitting: list[tuple[int, tuple[str, ...]]] = []
        for candidate in self._by_end.get(parts[-1], ()):
            common = 1
            folders = [folded(part) for part in candidate[:-1]]
            given = parts[:-1]
            while common <= min(len(folders), len(given)) and folders[-common] == given[-common]:
                common += 1
            rest = folders[: len(folders) + 1 - common]
            if common == len(parts) or not rest or GENERIC_FOLDERS.issuperset(rest):
                fitting.append((common, candidate))
        most = max((common for common, _ in fitting), default=0)
        best = [candidate for common, candidate in fitting if common == most]
        if len(best) > 1:
            of_split = [one for one in best if any(split_of(part) == self.split for part in one[:-1])]
            best = of_split if len(of_split) == 1 else [one for one in best if one[-1] == name.rsplit('/')[-1]]
        return os.path.join(self.root, *best[0]) if len(best) == 1 else None


def split_of(text: str) -> str | None:
    """Return the split, with ``'test'``, that a name such as ``train_labels`` or ``trainLabels`` tells; or None."""
    words = r'(labels?|list|annotations?|set|data|split|images?|classes|gt|df|metadata|info)'
    plain = re.sub(rf'^{words}|{words}$', '', plain_name(text))
    return next((split for split, names in SPLIT_NAMES.items() if plain in names), None)


def plain_name(text: str) -> str:
    return re.sub(r'[^a-z0-9]', '', text.lower())


def folded(name: str) -> str:
    return unicodedata.normalize('NFC', name).casefold()


def path_parts(name: str) -> list[str]:
    name = re.sub(r'^([A-Za-z]:(?=[\\/])|[A-Za-z][\w+.-]+://)', '', name)
    return [part for part in re.split(r'[\\/]', name) if part not in ('', '.', '..')]
