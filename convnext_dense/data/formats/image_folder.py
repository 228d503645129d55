"""Find the folder to which the names of images in a file of annotations are relative."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ...errors import UserError
from ..image_files import subfolders
from ..text import shortened
from .file_names import Folder
from .split_names import TEST, VAL, split_of, splits_in

IMAGE_FOLDERS = ('{0}2017', '{0}', 'images/{0}2017', 'images/{0}', 'images', '.')
"""Folders that are tried first, by the name of the split."""
MOST_FOLDERS = 1000
"""Maximum number of folders that are searched."""
DEEPEST = 4
OTHER = 2
"""Rank of a folder of another split, from which no images are taken."""


def find_image_folder(names: Sequence[str], annotations: Path, split: str, root: Path, below: Path) -> Path | None:
    """Find the folder that has the first images of a file of annotations.

    :data:`IMAGE_FOLDERS` are searched in the root and beside the file, then all folders below the root but those of
    another split; last, names as other tools write them, see :meth:`.file_names.Folder.match`.

    Args:
        names: names of the first images, as in the file.
        annotations: the file.
        split: its split.
        root: the data set's root.
        below: the folder below which all folders are searched: the root, unless it may be of anything.

    Returns:
        The folder, or None if there is none.

    Raises:
        UserError: if several folders below the root have these images.
    """
    first = names[0]
    folders = list(_candidates(annotations, split, root))
    for folder in folders:
        if _holds(folder, [first]):
            return folder
    others = list(_below(below))
    holding = [folder for folder in others if _holds(folder, names)] or [f for f in others if _holds(f, [first])]
    ranks = {folder: _rank(folder.relative_to(below) / first, split) for folder in holding}
    ranks = {folder: rank for folder, rank in ranks.items() if rank < OTHER}
    if ranks:
        best = [folder for folder, rank in ranks.items() if rank == min(ranks.values())]
        if len(best) > 1:
            where = shortened([str(folder) for folder in best], 3)
            raise UserError(f'{first}, the first image in {annotations}, is in several folders ({where})')
        return best[0]
    for folder in folders:
        file = Folder(folder).match([first], search=below == root)[first]
        if file is not None and _rank(Path(file), split) < OTHER:
            return folder
    return None


def _candidates(annotations: Path, split: str, root: Path) -> Iterator[Path]:
    beside = annotations.parent
    if beside != root and split_of(beside.name) == split:  # train/labels.json with train/data
        yield from (beside / name for name in ('.', 'images', 'data'))
    own = annotations.stem.removeprefix('instances_')  # as the file spells it: images/Train
    names = [*(name.format(split) for name in IMAGE_FOLDERS), f'images/{own}', own]
    yield from (parent / name for parent in (root, beside) for name in names)
    if split == VAL:
        yield from (root / name.format(TEST) for name in IMAGE_FOLDERS)


def _holds(folder: Path, names: Sequence[str]) -> bool:
    try:
        return all((folder / name).is_file() for name in names)
    except (OSError, ValueError):  # a name that is too long, or has a null character
        return False


def _below(root: Path) -> Iterator[Path]:
    folders = [root]
    count = 0
    for _ in range(DEEPEST):
        folders = [folder / name for folder in folders for name in subfolders(folder)][: MOST_FOLDERS - count]
        count += len(folders)
        yield from folders


def _rank(file: Path, split: str) -> int:
    """Return 0 for a file in a folder of the split, 1 in one of no split, or else :data:`OTHER`.

    A file whose own name tells the split of its folder, such as ``val2014/COCO_val2014_000000000042.jpg``, is in none.
    """
    splits = {found for part in file.parts[:-1] if (found := split_of(part))} - splits_in(file.name)
    return 0 if split in splits else OTHER if splits else 1
