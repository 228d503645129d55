"""Read the classes of an image/mask folder, such as ADE20K, and check that its masks fit them.

A mask is a PNG with one channel whose pixels are labels; in a palette image the indices are the labels. With
``reduce_zero_label``, as in ADE20K, label v is class v - 1 and 0 means unlabeled; without it, label v is class v. 255
always means unlabeled. Unlabeled pixels are ignored in training and evaluation.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ...errors import UserError
from ..layouts import MASK_SPLITS
from ..text import shortened
from .find import find_masks, images_folder
from .mask_scan import CHANNELS, SIZE, UNLABELED, UNREADABLE, ImageAndMask, scan_masks


def mask_classes(root: str | Path, reduce_zero_label: bool = True) -> list[str]:
    """Read the class names of an image/mask folder.

    They are listed in ``classes.txt``, one per line, or in ADE20K's own ``objectInfo150.txt``. Without either, the
    number of classes follows from the largest label in the training masks, or in the validation masks if there are no
    training masks, and classes are named after the labels: ``class_1``, ``class_2``, ...

    Raises:
        UserError: for a wrong layout, unusable masks, an empty or repeated name, or too many classes for 8-bit labels.
    """
    own, ade = Path(root, 'classes.txt'), Path(root, 'objectInfo150.txt')
    first = 1 if reduce_zero_label else 0
    most = UNLABELED - first
    if not own.is_file() and not ade.is_file():
        split = next((split for split in MASK_SPLITS if images_folder(root, split).is_dir()), 'training')
        pairs = find_masks(root, split, log=False)  # the data set logs what is left out
        check_masks(pairs, most, reduce_zero_label)
        largest = max(scan.largest_label for scan in scan_masks(pairs))
        if largest < first:
            raise UserError(
                f'the masks in {os.path.dirname(pairs[0][1])} hold no label but 0 and {UNLABELED}: label them'
            )
        return [f'class_{label}' for label in range(first, largest + 1)]
    if own.is_file():
        file, names = own, _lines(own)
    else:  # a table with the columns Idx, Ratio, Train, Val, Name; a name is a list of synonyms
        file, names = ade, [line.split('\t')[-1].split(',')[0].strip() for line in _lines(ade)[1:]]
    if not 0 < len(names) <= most:
        raise UserError(f'{file} names {len(names)} classes: there can be 1 to {most}, one on a line')
    for index, name in enumerate(names):
        if not name or name in names[:index]:
            what = f'{name!r} comes twice' if name else f'class {index + 1} has no name'
            raise UserError(f'{file}: {what}: give each class a name of its own, one on a line')
    return names


def check_masks(pairs: Sequence[ImageAndMask], num_classes: int, reduce_zero_label: bool = True) -> None:
    """Check every mask before training.

    A mask must be readable, have one channel, contain only labels of the classes, and have the size of its image as
    stored or as rotated by EXIF. Only the headers of the images are read; unreadable images are left to the loader.

    The check takes 2.2 ms on one core for a mask of 512 x 683, 45 s for ADE20K's 20210. The results are cached until a
    file changes; checking for changes takes 0.5 s.

    Args:
        pairs: images and masks from :func:`~convnext_dense.data.segmentation.find.find_masks`.
        num_classes: number of classes K. Labels may be 0 to K with ``reduce_zero_label``, 0 to K - 1 without, or 255.
        reduce_zero_label: label 0 means unlabeled, see above.

    Raises:
        UserError: if masks are unusable; the message has their number by fault, the first three of each, and the fix.
    """
    kinds = find_bad_masks(pairs, num_classes, reduce_zero_label)
    if kinds:
        found = [
            f'{len(bad.masks)} {bad.fault} '
            f'({shortened([f"{os.path.basename(mask)} {detail}".strip() for mask, detail in bad.masks], 3)}): '
            f'{bad.fix}'
            for bad in kinds
        ]
        raise UserError(
            f"{sum(len(bad.masks) for bad in kinds)} of {len(pairs)} masks in {os.path.dirname(pairs[0][1])} can't be "
            f'used. {"; ".join(found)}'
        )


class BadMasks(NamedTuple):
    """Masks that are unusable for the same reason."""

    fault: str
    fix: str
    masks: list[tuple[str, str]]
    """Path and details of each mask."""


def find_bad_masks(pairs: Sequence[ImageAndMask], num_classes: int, reduce_zero_label: bool = True) -> list[BadMasks]:
    """Scan every mask, and group the unusable ones by their fault; see :func:`check_masks`."""
    largest = num_classes if reduce_zero_label else num_classes - 1
    beyond = f'with labels above {largest}'
    fixes = {
        UNREADABLE: 'restore them, or remove them with their images',
        CHANNELS: 'save the labels, not their colors',
        SIZE: 'resize them, without interpolation',
        beyond: f'{num_classes} classes have labels up to {largest}, and {UNLABELED} is unlabeled',
    }
    bad: dict[str, list[tuple[str, str]]] = {fault: [] for fault in fixes}
    for (_, mask), scan in zip(pairs, scan_masks(pairs), strict=True):
        if scan.fault:
            bad[scan.fault].append((mask, scan.detail))
        elif scan.largest_label > largest:
            bad[beyond].append((mask, str(scan.largest_label)))
    return [BadMasks(fault, fix, bad[fault]) for fault, fix in fixes.items() if bad[fault]]


def _lines(file: Path) -> list[str]:
    try:
        return [line.strip() for line in file.read_text(encoding='utf-8-sig').rstrip().splitlines()]
    except UnicodeDecodeError as error:
        raise UserError(f'{file} is not UTF-8 text ({error.reason}): save it as UTF-8') from None
