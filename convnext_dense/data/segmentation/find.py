"""Find the images and masks of a folder in ADE20K's layout."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from ...errors import NoData, UserError
from ..image_files import EXTENSIONS, images_under
from ..layouts import MASK_FOLDER, MASK_SPLITS, hint, subfolders
from ..text import shortened
from .mask_scan import ImageAndMask

LAYOUT = 'images/{training,validation}/*.jpg and annotations/{training,validation}/*.png'
OTHER_NAMES = ('masks', 'mask', 'labels', 'labelids', 'annotation', 'ann_dir', 'gt', 'segmentation')
"""Names of mask folders in other programs, in lowercase."""


def find_masks(root: str | Path, split: str, warn: bool = True) -> list[ImageAndMask]:
    """Find the images of a split with their masks, sorted, including subfolders.

    Args:
        root: folder with ``images/<split>/`` and ``annotations/<split>/``.
        split: ``'training'`` or ``'validation'``; the folders may also be named ``train`` and ``val``.
        warn: log a warning of masks without an image.

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
    image_of, mask_of = _files(images, EXTENSIONS), _files(masks, ('.png',))
    if not image_of:
        raise NoData(f'{images} holds no images ({", ".join(EXTENSIONS)}): fill it')
    absent = [name for name in image_of if name not in mask_of]
    if absent:
        raise UserError(
            f'{len(absent)} of {len(image_of)} images in {images} have no mask in {masks}: {shortened(absent, 3)}; '
            'add masks of the same name (.png) or remove the images'
        )
    unused = [name for name in mask_of if name not in image_of]
    if unused and warn:
        logging.getLogger('mmengine').warning(
            f'{len(unused)} of {len(mask_of)} masks in {masks} have no image and are left out: {shortened(unused, 3)}'
        )
    return [(image, mask_of[name]) for name, image in image_of.items()]


def images_folder(root: str | Path, split: str) -> Path:
    """Return the folder of a split's images: the one that exists of the possible names, or else the usual one."""
    folders = [Path(root, 'images', name) for name in MASK_SPLITS[split]]
    return next((folder for folder in folders if folder.is_dir()), folders[0])


def _files(folder: Path, extensions: Sequence[str]) -> dict[str, str]:
    """Find files with these extensions at any depth, sorted; keys are relative paths without extension."""
    files: dict[str, str] = {}
    for file in images_under(folder):
        name, extension = os.path.splitext(file[len(str(folder)) + 1 :])
        if extension.lower() in extensions and not os.path.basename(name).startswith('.'):
            if name in files:
                raise UserError(f'{files[name]} and {file} would share a mask: rename one')
            files[name] = file
    return files


def _misnamed(root: Path) -> str:
    """Return advice to rename a mask folder, such as ``masks/`` next to ``images/``, or an empty string."""
    names = [name for name in subfolders(root) if name.lower() in OTHER_NAMES]
    if len(names) != 1 or not (root / 'images').is_dir() or (root / 'annotations').is_dir():
        return ''
    return f'{root} holds {names[0]}/ beside images/: rename it to annotations/'


def _unsplit(root: Path) -> str:
    """Return advice for images and masks that are in no split, or an empty string."""
    folders = [root / name for name in ('images', 'annotations')]
    if not all(folder.is_dir() and any(path.is_file() for path in folder.iterdir()) for folder in folders):
        return ''
    return (
        f'{root} holds images and masks that are in no split: move each into the folder training/ or validation/ in '
        f'{folders[0]} and in {folders[1]}'
    )
