"""Find the folders of splits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...errors import UserError
from ..image_files import subfolders
from .split_names import split_of

MOST_FOLDERS = 100
"""Maximum number of folders that are searched for those of splits, since there may be one for each class."""


def find_split_folders(root: Path, holds_data: Callable[[Path], bool]) -> dict[str, Path]:
    """Find the folder of each split, in a folder or in one of its subfolders, such as ``annotations/train``.

    Args:
        root: the data set's folder.
        holds_data: checks whether a folder holds annotations.

    Returns:
        The folders of the first place that has any, or nothing.

    Raises:
        UserError: if two folders mean the same split.
    """
    others = [root / name for name in subfolders(root) if split_of(name) is None]
    for parent in (root, *others[:MOST_FOLDERS]):
        found: dict[str, Path] = {}
        for name in subfolders(parent):
            split = split_of(name)
            if split is None or not holds_data(parent / name):
                continue
            if split in found:
                raise UserError(f'{found[split]} and {parent / name} are both for {split}: move one of them away')
            found[split] = parent / name
        if found:
            return found
    return {}
