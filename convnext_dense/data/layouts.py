"""Recognize the layouts of data sets by their folders, for error messages that point to the data.

A layout is never guessed silently: the error names the path to give with ``--data``.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from fnmatch import fnmatch
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from .image_files import is_stray, subfolders
from .text import shortened

MOST_FOLDERS = 100
"""Maximum number of folders to search, since the root may be a large folder such as a home directory."""

COCO_PATTERNS = (
    *(f'annotations/{name}.json' for name in ('*train*', '*val*', 'instances_*')),
    *(f'{split}/_annotations.coco.json' for split in ('train', 'valid', 'val', 'validation', 'test')),
    *(f'{split}/labels.json' for split in ('train', 'val', 'validation', 'test')),
)
"""Names of COCO files, whose content need not be looked at: COCO's own and CVAT's, Roboflow's and FiftyOne's."""
IMAGE_SPLITS = {
    'train': (('train', 'training'),),
    'val': (('val',), ('valid', 'validation'), ('test',)),
}
"""Names, in lowercase, of the folders of each split of an image folder; the first ones that exist are taken."""
MASK_SPLITS = {'training': ('training', 'train'), 'validation': ('validation', 'val', 'valid', 'test')}
"""Names of the folders of each split of an image/mask folder."""
SPLIT_NAMES = {name for names in MASK_SPLITS.values() for name in names}


class Layout(NamedTuple):
    """Layout of the files of a kind of data set."""

    content: str
    """Description of the files."""
    config: str
    """The kind of config for these files."""
    parts: tuple[str, ...]
    """Names of the folders in a data set's root, with wildcards."""
    fits: Callable[[Path], bool]
    """Function that checks whether a folder is the root of such a data set."""


def _is_image_folder(root: Path) -> bool:
    names = {name for ranks in IMAGE_SPLITS.values() for rank in ranks for name in rank}
    return any(subfolders(root / name) for name in subfolders(root) if name.lower() in names)


def _has_coco_files(root: Path) -> bool:
    files = (file.name for pattern in COCO_PATTERNS for file in root.glob(pattern))
    return any(not is_stray(name) and not name.startswith('panoptic') for name in files)


def _has_panoptic_files(root: Path) -> bool:
    places = ('annotations/panoptic*.json', 'panoptic*.json')
    return any(not is_stray(file.name) for pattern in places for file in root.glob(pattern))


def _is_mask_folder(root: Path) -> bool:
    names = [name for names in MASK_SPLITS.values() for name in names]
    return any((root / 'images' / name).is_dir() and (root / 'annotations' / name).is_dir() for name in names)


IMAGE_FOLDER = Layout(
    'class folders in train/ and val/',
    'a classification config',
    tuple(name for ranks in IMAGE_SPLITS.values() for rank in ranks for name in rank),
    _is_image_folder,
)
COCO = Layout('COCO files', 'a config of a detector', ('annotations', 'images', 'train*', 'val*'), _has_coco_files)
MASK_FOLDER = Layout(
    'images/ and annotations/ with masks',
    'a config of a segmentor',
    ('images', 'annotations'),
    _is_mask_folder,
)
PANOPTIC = Layout(
    'panoptic COCO files',
    'a config for panoptic segmentation',
    ('annotations', 'panoptic*', 'train*', 'val*'),
    _has_panoptic_files,
)
LAYOUTS = (IMAGE_FOLDER, COCO, MASK_FOLDER, PANOPTIC)


def hint(root: str | Path, layout: Layout) -> str:
    """Describe the content of a folder that is not the expected root of a data set, with advice.

    The two folders above it and two levels of folders in it are searched.

    Args:
        root: the given folder.
        layout: the expected layout.

    Returns:
        For example ``'work/flowers holds class folders in train/ and val/ one level deeper: give
        --data work/flowers/data'``; ``''`` if no data set is found.
    """
    root = Path(root)
    if not root.is_dir():
        return ''
    return above(root, layout) or _below(root, layout) or _other(root, layout)


def misplaced(root: Path, layout: Layout) -> str:
    """Describe a folder that is a part of a data set, or one for another task, as :func:`hint` does."""
    return above(root, layout) or _other(root, layout)


def above(root: Path, layout: Layout) -> str:
    """Describe the data set that a folder is a part of, with advice; ``''`` if it is of none."""
    full = Path(os.path.abspath(root))
    for levels, above in enumerate(islice(full.parents, 2), start=1):
        inside = full.relative_to(above).parts
        if any(fnmatch(inside[0], part) for part in layout.parts) and layout.fits(above):
            given = root.parents[levels - 1] if len(root.parts) > levels and '..' not in root.parts else above
            which = f'is the {"/".join(inside)} folder of a data set'
            return f'{root} {which} itself: give the folder around it, {data_flag(given)}'
    return ''


def _below(root: Path, layout: Layout) -> str:
    folders = [root]
    for depth in ('one level', 'two levels'):
        folders = [folder / name for folder in folders[:MOST_FOLDERS] for name in subfolders(folder)]
        found = [folder for folder in folders[:MOST_FOLDERS] if layout.fits(folder)]
        if len(found) == 1:
            return f'{root} holds {layout.content} {depth} deeper, in {found[0]}: give {data_flag(found[0])}'
        if found:
            names = shortened([str(folder) for folder in found])
            return f'{root} holds {len(found)} data sets ({names}): give one of them, such as {data_flag(found[0])}'
    return ''


def _other(root: Path, layout: Layout) -> str:
    for other in LAYOUTS:
        if other.config != layout.config and other.fits(root):
            return f'{root} holds {other.content}: take {other.config} for it'
    return ''


def data_flag(path: Path) -> str:
    """Format the argument that points a command at a path, quoted for a shell."""
    return f'--data {shlex.quote(str(path))}'
