"""Recognize the folders of images and masks of a data set, in any of the layouts that tools and data sets use."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ...errors import UserError
from ..formats.base import WHOLE
from ..image_files import images_in, is_stray, subfolders
from ..layouts import MASK_SPLITS, SPLIT_NAMES
from ..text import shortened
from .mask_names import beside_each_other
from .options import MaskOptions

IMAGE_FOLDERS = (
    *('images', 'image', 'img', 'imgs', 'img_dir', 'jpegimages', 'leftimg8bit', 'leftimg8bit_trainvaltest'),
    *('701_stillsraw_full', 'rgb', 'photos'),
)
"""Names of folders of images, in lowercase."""
MASK_FOLDERS = (
    *(
        'annotations',
        'annotation',
        'ann_dir',
        'annots',
        'masks',
        'mask',
        'labels',
        'label',
        'labelids',
        'gt',
        'gtfine',
    ),
    *('segmentation', 'segmentations', 'seg', 'segmentationclass', 'segmentationclasspng', 'segmentationclassaug'),
    *('labeledapproved_full', 'masks_machine', 'masks_human', 'ground_truth', 'groundtruth', 'segmentation_masks'),
)
"""Names of folders of masks, in lowercase."""
MASK_EXTENSIONS = ('.png', '.bmp', '.tif', '.tiff', '.gif', '.pgm', '.ppm', '.jpg', '.jpeg', '.npy')
"""Suffixes of masks in lowercase. JPEGs are refused when they are read, with the reason."""
BESIDE = re.compile(r'(?P<split>.+?)[_-]?(annots?|annotations?|masks?|labels?|gt|seg|segmentations?)', re.IGNORECASE)
"""Names of a split's folder of masks beside that of its images, such as ``train_masks`` and ``trainannot``."""
LISTS = Path('ImageSets', 'Segmentation')
"""Folder of the lists of VOC's splits."""


class SplitFolders(NamedTuple):
    """The folders of a split."""

    images: Path
    masks: Path
    """The same one if the masks lie between the images."""
    listed: Path | None = None
    """A file with the names of the split's images, as VOC's; None if all are in it."""


Splits = dict[str, SplitFolders]
"""Folders by split: ``'training'`` and ``'validation'``, as far as there are any, or WHOLE alone."""


def find_folders(root: Path, options: MaskOptions) -> Splits | None:
    """Find the folders of images and masks.

    Args:
        root: the data set's folder.
        options: the name of the folder of masks, if it is set.

    Returns:
        The splits; None if there is no known layout. A split of which only the images exist is among them if others
        have masks.

    Raises:
        UserError: if there are several folders of masks.
    """
    found = [*_by_kind(root, options.folder), *_by_split(root, options.folder)]
    if not found and options.folder is None:
        found = [splits for splits in (_siblings(root), _one_folder(root)) if splits]
    if len(found) > 1:
        folders = [os.path.relpath(next(iter(splits.values())).masks, root) for splits in found]
        names = dict.fromkeys(_kind_of(folder) for folder in folders)
        flags = ' or '.join(f'--mask-folder {name}' for name in names)
        raise UserError(f'{root} has {len(found)} folders of masks ({shortened(folders)}): say which with {flags}')
    return found[0] if found else None


def _kind_of(folder: str) -> str:
    """Return the part of a path that names the kind of folder, rather than a split."""
    return next((part for part in Path(folder).parts if part.lower() not in SPLIT_NAMES), folder)


def _kinds(place: Path, chosen: str | None) -> Iterator[tuple[Path, Path]]:
    """Yield the folders of images and of masks in a folder."""
    names = subfolders(place)
    images = [name for name in names if name.lower() in IMAGE_FOLDERS and name != chosen]
    masks = [name for name in names if (name.lower() in MASK_FOLDERS if chosen is None else name == chosen)]
    masks = [name for name in masks if holds_masks(place / name)]
    if chosen is None and 'masks_machine' in masks:  # the same masks as in masks_human, as numbers
        masks = [name for name in masks if name != 'masks_human']
    yield from ((place / one, place / other) for one in images[:1] for other in masks)


def _by_kind(root: Path, chosen: str | None) -> Iterator[Splits]:
    """Yield the splits in a folder of images and one of masks: ``images/train`` and ``masks/train``, or lists."""
    for images, masks in _kinds(root, chosen):
        lists = _lists(root)
        if lists:
            yield {split: SplitFolders(images, masks, file) for split, file in lists.items()}
            continue
        splits = {}
        for split, names in MASK_SPLITS.items():
            with_masks = [name for name in names if (images / name).is_dir() and (masks / name).is_dir()]
            alone = [name for name in names if (images / name).is_dir() and name != 'test']
            if with_masks or alone:
                name = [*with_masks, *alone][0]
                splits[split] = SplitFolders(images / name, masks / name)
        if any(folders.masks.is_dir() for folders in splits.values()):
            yield splits
        elif not splits:
            yield {WHOLE: SplitFolders(images, masks)}
        elif images_in(masks):  # those of all splits
            yield {split: SplitFolders(folders.images, masks) for split, folders in splits.items()}


def _lists(root: Path) -> dict[str, Path]:
    """Find the lists of VOC's splits; a list of another name than a split's is of the whole data set."""
    files = {name: root / LISTS / f'{name}.txt' for name in ('train', 'val', 'trainval', 'default', 'test')}
    present = {name: file for name, file in files.items() if file.is_file()}
    splits = {
        split: present[name] for split, name in (('training', 'train'), ('validation', 'val')) if name in present
    }
    if 'training' in splits and 'validation' not in splits and 'test' in present:
        splits['validation'] = present['test']
    whole = [present[name] for name in ('default', 'trainval') if name in present]
    return splits or ({WHOLE: whole[0]} if whole else {})


def _by_split(root: Path, chosen: str | None) -> Iterator[Splits]:
    """Yield the splits in folders of their own: ``train/images`` and ``train/masks``."""
    found: dict[tuple[str, str], Splits] = {}
    for split, names in MASK_SPLITS.items():
        for name in names:
            kinds = list(_kinds(root / name, chosen)) if (root / name).is_dir() else []
            for images, masks in kinds:
                found.setdefault((images.name, masks.name), {})[split] = SplitFolders(images, masks)
            if kinds:
                break
    yield from found.values()


def _siblings(root: Path) -> Splits:
    """Find masks in folders beside those of the images: ``train`` and ``train_masks``."""
    names = subfolders(root)
    splits = {}
    for split, own in MASK_SPLITS.items():
        for name in own:
            images = next((one for one in (name, f'{name}_images', f'{name}_imgs') if one in names), None)
            beside = [one for one in names if (match := BESIDE.fullmatch(one)) and match['split'].lower() == name]
            masks = [one for one in beside if holds_masks(root / one)]
            if images and len(masks) > 1:
                flags = ', '.join(masks)
                raise UserError(f'{root} has several folders of masks for {images} ({flags}): move all but one away')
            if images and masks:
                splits[split] = SplitFolders(root / images, root / masks[0])
                break
    return splits


def _one_folder(root: Path) -> Splits:
    """Find masks beside their images in one folder, told by their endings: ``a.jpg`` and ``a_mask.png``."""
    splits = {}
    for split, names in MASK_SPLITS.items():
        for name in names:
            if beside_each_other(_files_in(root / name)):
                splits[split] = SplitFolders(root / name, root / name)
                break
    if splits:
        return splits
    for folder in (root, *(root / name for name in subfolders(root) if name.lower() in IMAGE_FOLDERS)):
        if beside_each_other(_files_in(folder)):
            return {WHOLE: SplitFolders(folder, folder)}
    return {}


def _files_in(folder: Path) -> list[str]:
    try:
        names = [entry.name for entry in os.scandir(folder) if not is_stray(entry.name)]
    except OSError:
        return []
    return sorted(name for name in names if name.lower().endswith(MASK_EXTENSIONS)) if names else []


def holds_masks(folder: Path) -> bool:
    """Check whether a folder has a file in a format of masks, also in subfolders."""
    waiting = [folder]
    while waiting:
        place = waiting.pop()
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    if is_stray(entry.name):
                        continue
                    if entry.name.lower().endswith(MASK_EXTENSIONS):
                        return True
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
        except OSError:
            continue
    return False
