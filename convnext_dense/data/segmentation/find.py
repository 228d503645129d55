"""Find the images and masks of a folder in ADE20K's layout."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ...errors import NoData, UserError
from ..image_files import EXTENSIONS, find_files, images_in, subfolders
from ..layouts import MASK_FOLDER, MASK_SPLITS, hint
from ..text import shortened
from .mask_scan import ImageAndMask

LAYOUT = 'images/{training,validation}/*.jpg and annotations/{training,validation}/*.png'
OTHER_NAMES = ('masks', 'mask', 'labels', 'labelids', 'annotation', 'ann_dir', 'gt', 'segmentation')
"""Names of mask folders in other programs, in lowercase."""


class FoundMasks(NamedTuple):
    """The images of a split with their masks, sorted, including subfolders."""

    pairs: list[ImageAndMask]
    remarks: list[str]
    """Lines about masks without an image, and about a folder of another name."""
    left_out: list[str]
    """Stray files among the images and masks; see :func:`~convnext_dense.data.image_files.find_files`."""


def find_masks(root: str | Path, split: str) -> list[ImageAndMask]:
    """Find the images of a split with their masks; see :func:`find_masks_and_remarks`."""
    return find_masks_and_remarks(root, split).pairs


def find_masks_and_remarks(root: str | Path, split: str) -> FoundMasks:
    """Find the images of a split with their masks, and what a user should know about them.

    Args:
        root: folder with ``images/<split>/`` and ``annotations/<split>/``.
        split: ``'training'`` or ``'validation'``; the folders may also have another name in
            :data:`~convnext_dense.data.layouts.MASK_SPLITS`.

    Raises:
        NoData: if there are no images in this layout.
        UserError: for an image without a mask, and for two images with the same mask.
    """
    if split not in MASK_SPLITS:
        raise UserError(f"split {split!r} does not exist: take 'training' or 'validation'")
    images = images_folder(root, split)
    masks = Path(root, 'annotations', images.name)
    for folder in (Path(root), images, masks):
        if not folder.is_dir():
            fix = (
                _misnamed(Path(root))
                or hint(root, MASK_FOLDER)
                or _unsplit(Path(root))
                or 'give another root with --data PATH, or take --data sample, which needs no data'
            )
            raise NoData(f'no data at {folder}: expected {LAYOUT} under {root}; {fix}')
    found, found_masks = find_files(images), find_files(masks)
    image_of, mask_of = _by_name(images, found.images), _by_name(masks, found_masks.files, '.png')
    if not image_of:
        others = found.describe_others()
        raise NoData(
            f'{images} holds no images ({", ".join(EXTENSIONS)}){f", but {others}" if others else ""}: fill it'
        )
    absent = [name for name in image_of if name not in mask_of]
    if absent:
        raise UserError(
            f'{len(absent)} of {len(image_of)} images in {images} have no mask in {masks}: {shortened(absent, 3)}; '
            'add masks of the same name (.png) or remove the images'
        )
    unused = [name for name in mask_of if name not in image_of]
    remarks = []
    if unused:
        remarks.append(
            f'{len(unused)} of {len(mask_of)} masks in {masks} have no image and are left out: {shortened(unused, 3)}'
        )
    if images.name != split and images.name not in ('train', 'val'):
        remarks.append(f'{images} is taken for {split}')
    pairs = [(image, mask_of[name]) for name, image in image_of.items()]
    return FoundMasks(pairs, remarks, [*found.left_out, *found_masks.left_out])


def images_folder(root: str | Path, split: str) -> Path:
    """Return the folder of a split's images: the first that exists of the possible names, or else the usual one.

    Folders of images without a folder of masks are taken last; ``test``, which is often without masks, is not.
    """
    folders = [Path(root, 'images', name) for name in MASK_SPLITS[split]]
    with_masks = [folder for folder in folders if folder.is_dir() and Path(root, 'annotations', folder.name).is_dir()]
    alone = [folder for folder in folders if folder.is_dir() and folder.name != 'test']
    return [*with_masks, *alone, folders[0]][0]


def _by_name(folder: Path, files: Sequence[str], ending: str = '') -> dict[str, str]:
    """Return the files with this ending by their path relative to the folder, without extension."""
    named: dict[str, str] = {}
    for file in files:
        if file.lower().endswith(ending):
            name, _ = os.path.splitext(file[len(str(folder)) + 1 :])
            if name in named:
                raise UserError(f'{named[name]} and {file} would share a mask: rename one')
            named[name] = file
    return named


def _misnamed(root: Path) -> str:
    """Return advice to rename a mask folder, such as ``masks/`` next to ``images/``, or an empty string."""
    names = [name for name in subfolders(root) if name.lower() in OTHER_NAMES]
    if len(names) != 1 or not (root / 'images').is_dir() or (root / 'annotations').is_dir():
        return ''
    return f'{root} holds {names[0]}/ beside images/: rename it to annotations/'


def _unsplit(root: Path) -> str:
    """Return advice for images and masks that are in no split, or an empty string."""
    folders = [root / name for name in ('images', 'annotations')]
    if not all(folder.is_dir() and images_in(folder) for folder in folders):
        return ''
    return (
        f'{root} holds images and masks that are in no split: move each into the folder training/ or validation/ in '
        f'{folders[0]} and in {folders[1]}'
    )
