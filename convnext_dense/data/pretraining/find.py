"""Find the images of a folder for pre-training, whatever its layout: all of them, without masks and test images.

Labels play no role. What is known from the layouts of labeled data sets is used only to leave out what no network
should see: masks, which are images by their names, and the images held out for validation and tests.
"""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ...errors import NoData, UserError
from ..formats.file_cache import kept_while_unchanged
from ..image_files import EXTENSIONS, describe_left_out, find_files
from ..layouts import data_flag
from ..segmentation.mask_names import SAME, beside_each_other, by_common_part, find_endings
from ..text import count_of, shortened

SPLITS = {
    'train': re.compile(r'(images?[_-])?(train|training)(\d{4})?'),
    'val': re.compile(r'(images?[_-])?(val|valid|validation|minival)(\d{4})?'),
    'test': re.compile(r'(images?[_-])?(test|testing)([_-]?dev)?(\d{4})?([_-]dev)?'),
}
"""Names, in lowercase, of the folders of each split. They count only where one for training is beside them."""
MASK_FOLDERS = re.compile(
    r'(annotations?|(seg)?masks?|labels?|(semantic[_-]?)?seg(mentations?)?(class|object)?(aug|raw)?|gt|gtfine|gtcoarse|'
    r'ground[_-]?truths?|panoptic.*|stuffthingmaps.*|semantic.*|instance.*|pixelmaps?|polygons?|matting)([_-].*)?'
)
"""Names, in lowercase, of folders of masks; they are left out if their files have the names of images elsewhere."""
LEAST_MATCHED = 0.1
"""Share of the files in a folder of masks that belong to an image, at least: Cityscapes has four for each."""


class UnlabeledFiles(NamedTuple):
    """The images of a folder, by split; paths are sorted."""

    train: Sequence[str]
    """Those of no split, too."""
    val: Sequence[str]
    notes: Sequence[str]
    """What was left out, one line each."""
    left_out: Sequence[str]
    """Paths of stray files and folders; see :func:`~convnext_dense.data.image_files.find_files`."""

    def of_split(self, split: str) -> Sequence[str]:
        """The images of ``'train'`` or ``'val'``."""
        return self.train if split == 'train' else self.val


@kept_while_unchanged
def find_images(root: str) -> UnlabeledFiles:
    """Find all images in a folder and its subfolders, each file once.

    Raises:
        NoData: if there are none.
        UserError: if a folder can't be read.
    """
    if not os.path.isdir(root):
        is_file = os.path.isfile(root)
        what = 'is a file' if is_file else 'does not exist'
        given = f', {data_flag(Path(root).parent)}' if is_file else ''
        raise NoData(f'{root} {what}: pre-training takes a folder of images{given}')
    found = find_files(root)
    images, copies = _each_once(found.images)
    if not images:
        others = found.describe_others()
        raise NoData(
            f'{root} holds no images ({", ".join(EXTENSIONS)}), also not in its subfolders'
            f'{f", but {others}" if others else ""}: give a folder with some, --data PATH'
        )
    start = len(os.path.join(root, ''))
    named, masks = _without_masks({image[start:]: image for image in images})
    split_folders = _split_folders(named)
    by_split: dict[str, list[str]] = {'train': [], 'val': [], 'test': []}
    for name, path in named.items():
        by_split[_split_of(name, split_folders)].append(path)
    notes = []
    if copies:
        notes.append(
            f'{count_of(copies, "path")} left out, which lead to the same files as others: {shortened(copies)}'
        )
    if masks:
        folders = shortened([f'{folder or "."} ({count:,})' for folder, count in masks.items()], 3)
        notes.append(f'{sum(masks.values()):,} masks left out, by the names of folders and files: {folders}')
    if by_split['test']:
        tested = count_of(by_split['test'], 'image')
        folders = shortened(sorted(folder for folder, split in split_folders.items() if split == 'test'), 3)
        notes.append(f'{tested} of a test split left out, so that a test of what follows stays one: {folders}')
    return UnlabeledFiles(by_split['train'], by_split['val'], notes, found.left_out)


def describe_stray(found: UnlabeledFiles) -> str:
    """Describe stray files in one line; empty if there are none."""
    return describe_left_out(found.left_out)


def _each_once(paths: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the paths that lead to different files, and the others, which links make of the same files."""
    folders: dict[str, str] = {}
    seen: set[str] = set()
    once: list[str] = []
    copies: list[str] = []
    for path in paths:
        folder, name = os.path.split(path)
        if folder not in folders:
            folders[folder] = os.path.realpath(folder)
        real = os.path.join(folders[folder], name)
        if os.path.islink(path):
            real = os.path.realpath(path)
        (copies if real in seen else once).append(path)
        seen.add(real)
    return once, copies


# -- Splits


def _split_folders(images: Mapping[str, str]) -> dict[str, str]:
    """Return the folders of images, relative to the root, that are of a split, with the split.

    ``val`` and ``test`` count beside ``train``: a class or a camera may have any name.
    """
    children: dict[str, set[str]] = defaultdict(set)
    known = set()
    for image in images:
        folder = os.path.dirname(image)
        while folder and folder not in known:
            known.add(folder)
            parent, name = os.path.split(folder)
            children[parent].add(name)
            folder = parent
    found = {}
    for parent, names in children.items():
        splits = {name: split for name in names if (split := _split_named(name))}
        if 'train' in splits.values() and len(splits) > 1:
            found.update({os.path.join(parent, name): split for name, split in splits.items()})
    return found


def _split_named(name: str) -> str | None:
    return next((split for split, pattern in SPLITS.items() if pattern.fullmatch(name.lower())), None)


def _split_of(name: str, folders: Mapping[str, str]) -> str:
    """Return the split of an image by the innermost of its folders that is of one; ``'train'`` without."""
    folder = os.path.dirname(name)
    while folder:
        if folder in folders:
            return folders[folder]
        folder = os.path.dirname(folder)
    return 'train'


# -- Masks


def _without_masks(images: Mapping[str, str]) -> tuple[dict[str, str], dict[str, int]]:
    """Return the images that are no masks of others, by name, and the number of masks by their outermost folder."""
    in_folders: dict[str, list[str]] = defaultdict(list)
    by_mask_folder: dict[str, list[str]] = defaultdict(list)
    others = []
    for name in images:
        folder = _mask_folder(name)
        if folder is None:
            others.append(name)
            in_folders[os.path.dirname(name)].append(name)
        else:
            by_mask_folder[folder].append(name)
    masks: dict[str, int] = {}
    left_out: set[str] = set()
    stems = {_stem(name) for name in others}
    for folder, names in sorted(by_mask_folder.items()):
        of_folder = {_stem(name) for name in names}
        endings = find_endings(stems, of_folder)
        owners = {stem.removesuffix(endings.image) for stem in stems if stem.endswith(endings.image)}
        matched = by_common_part({stem: stem for stem in of_folder}, endings.mask).keys() & owners
        if len(matched) > LEAST_MATCHED * len(of_folder):
            masks[folder] = len(names)
            left_out.update(names)
    for folder, names in sorted(in_folders.items()):
        beside = _masks_beside(names)
        if beside:
            masks[folder] = masks.get(folder, 0) + len(beside)
            left_out |= beside
    return {name: path for name, path in images.items() if name not in left_out}, masks


def _mask_folder(name: str) -> str | None:
    """Return the outermost folder of an image that has the name of a folder of masks; None without."""
    parts = name.split(os.sep)[:-1]
    for count, part in enumerate(parts, 1):
        if MASK_FOLDERS.fullmatch(part.lower()):
            return os.sep.join(parts[:count])
    return None


def _masks_beside(names: Sequence[str]) -> set[str]:
    """Return the masks among the images of a folder that lie beside their images."""
    files = [os.path.basename(name) for name in names]
    endings = beside_each_other(files)
    if endings is None:
        return set()
    stems = Counter(map(_stem, files))
    if endings == SAME:  # a JPEG and its mask
        return {name for name in names if stems[_stem(name)] > 1 and not name.lower().endswith(('.jpg', '.jpeg'))}
    found = set()
    for name in names:
        stem = _stem(name)
        owner = stem.removesuffix(endings.mask) + endings.image
        if stem.endswith(endings.mask) and owner != stem and owner in stems:
            found.add(name)
    return found


def _stem(name: str) -> str:
    return os.path.splitext(os.path.basename(name))[0]


def check_takes(format: str | None) -> None:
    """Check that no format of annotations is given.

    Raises:
        UserError: if one is.
    """
    if format is not None:
        raise UserError(
            f'--data-format {format}: pre-training takes all images of a folder, whatever their labels: leave it out'
        )
