"""Find files that hold the annotations of many images, in the places where tools write them, and their splits."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from ...errors import UserError
from ..image_files import is_stray, subfolders
from ..text import shortened
from .base import WHOLE
from .split_names import SPLITS, TRAIN, VAL, split_of, splits_of_path

FOLDERS = {'annotations', 'annotation', 'annos', 'anns', 'ann', 'labels', 'label', 'json', 'csv', 'coco', 'data'}
"""Names, in lowercase, of folders for annotations."""
MOST_FILES = 50
"""Maximum number of files in a folder: more are annotations of an image each."""
MOST_FOLDERS = 100
"""Maximum number of folders in the root that are searched."""

Places = list[list[Path]]
"""Files by place, the best place first."""


def list_places(root: Path, suffix: str) -> Places:
    """List the files with a suffix in a data set.

    Returns:
        The files in folders for annotations; in folders of a split, or of a split in a folder for annotations; in the
        root itself; and those in other folders whose own names tell a split.
    """
    folders = [root / name for name in subfolders(root)[:MOST_FOLDERS]]
    ours = [folder for folder in folders if folder.name.lower() in FOLDERS]
    of_splits = [folder for folder in folders if split_of(folder.name)]
    others = [folder for folder in folders if folder not in ours and folder not in of_splits]
    inside = [folder / name for folder in of_splits for name in subfolders(folder) if name.lower() in FOLDERS]
    inside += [folder / name for folder in ours for name in subfolders(folder)[:MOST_FOLDERS] if split_of(name)]
    in_others = [file for folder in others for file in _files(folder, suffix) if splits_of_path(Path(file.name))]
    return [
        [file for folder in ours for file in _files(folder, suffix)],
        [file for folder in (*of_splits, *inside) for file in _files(folder, suffix)],
        _files(root, suffix),
        in_others,
    ]


def assign_splits(
    root: Path,
    places: Places,
    kind: str,
    advice: Callable[[Iterable[Path]], str],
    preferred: Callable[[str], str] = str,
) -> dict[str, Path]:
    """Find the file of each split.

    Args:
        root: the data set's root.
        places: the files; see :func:`list_places`.
        kind: kind of files, for messages: ``'COCO files'``.
        advice: function that says how to choose among all files, or, for an empty list, among others.
        preferred: function that gives the name of a file that is taken for a split where others of the same place
            are for it, too.

    Returns:
        Files by ``'train'``, ``'val'`` and ``'test'``, or a single one by :data:`~.base.WHOLE` whose name tells no
        split; empty if there is none.

    Raises:
        UserError: if several files may be meant.
    """
    found: dict[str, Path] = {}
    told = {file: splits_of_path(file.relative_to(root)) for place in places for file in place}
    for split in SPLITS:
        for place in places:
            fitting = [file for file in place if told[file] == {split}]
            chosen = [file for file in fitting if file.name == preferred(split)]
            if len(chosen or fitting) > 1:
                raise UserError(f'{_several(root, split, fitting)}: {advice([])}')
            if fitting:
                found[split] = (chosen or fitting)[0]
                break
    of_both = [file for file, splits in told.items() if {TRAIN, VAL} <= splits]
    unnamed = [file for file, splits in told.items() if not splits]
    is_apart = TRAIN not in found and (VAL not in found or 'minival' in found[VAL].name)
    if found and is_apart and len(of_both) == 1:  # what validates or tests is not in it
        found, of_both = {TRAIN: of_both[0], **found}, []
    if of_both:
        raise UserError(f'{of_both[0]} may be for training or for validation: {advice([*found.values(), *of_both])}')
    if not found and len(unnamed) == 1:
        return {WHOLE: unnamed[0]}
    if unnamed and TRAIN not in found:
        files = [*unnamed, *found.values()]
        names = _names(root, unnamed)
        raise UserError(f'{root} holds {len(files)} {kind}, and no name tells the split of {names}: {advice(files)}')
    if unnamed:
        line = f'{_names(root, unnamed)} in {root} left out, since the name tells no split and those of others do'
        logging.getLogger('mmengine').warning(line)
    return found


def split_of_file(file: Path, root: Path) -> str:
    """Return the split that the path of a file in a data set tells, or an empty string."""
    splits = splits_of_path(file.relative_to(root)) if root in file.parents else frozenset[str]()
    return next(iter(splits)) if len(splits) == 1 else ''


def _several(root: Path, split: str, files: list[Path]) -> str:
    folders = {file.parent for file in files}
    if len(folders) == 1:
        names = ', '.join(file.name for file in files)
        return f'{len(files)} files match {folders.pop() / f"*{split}*{files[0].suffix}"} ({names})'
    return f'{len(files)} files in {root} may be for {split} ({_names(root, files)})'


def _names(root: Path, files: list[Path]) -> str:
    return shortened([str(file.relative_to(root)) for file in files], 3)


def _files(folder: Path, suffix: str) -> list[Path]:
    try:
        names = sorted(name for name in os.listdir(folder) if name.lower().endswith(suffix) and not is_stray(name))
    except OSError:
        return []
    if len(names) > MOST_FILES:
        names = [name for name in names if name.startswith(('instances', '_annotations'))]
    return [folder / name for name in names if (folder / name).is_file()]
