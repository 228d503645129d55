"""The classes of an image/mask folder, such as ADE20K, and checking that its masks fit them.

A mask is a PNG of one channel whose pixels are labels; in a palette image the indices are the labels. With
``reduce_zero_label``, as in ADE20K, label v is class v - 1 and 0 means unlabeled; without it label v is class v.
255 means unlabeled either way. Unlabeled pixels are neither trained on nor counted.
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

    They are listed in ``classes.txt``, one on a line, or in ADE20K's own ``objectInfo150.txt``. Without either, their
    number is the largest label in the training masks, or in the validation masks if there are no others, and they are
    named after the labels: ``class_1``, ``class_2``, ...

    Raises:
        UserError: for a wrong layout, masks that can't be used, a name that is empty or comes twice, more classes
            than 8-bit labels have room for.
    """
    own, ade = Path(root, 'classes.txt'), Path(root, 'objectInfo150.txt')
    first = 1 if reduce_zero_label else 0
    most = UNLABELED - first
    if not own.is_file() and not ade.is_file():
        pairs = find_masks(
            root, next((split for split in MASK_SPLITS if images_folder(root, split).is_dir()), 'training')
        )
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
    """Check every mask before a training, and name those that can't be used.

    A mask must be readable, have one channel, hold labels of the classes, and be of the size of its image as it is
    stored or as its EXIF turns it. Only the headers of the images are read; unreadable ones are left to the loader.

    It takes 2.2 ms of one core for a mask of 512 x 683, 45 s for ADE20K's 20210. The results are kept in the cache
    folder until a file changes; looking for changes takes 0.5 s.

    Args:
        pairs: images and masks, as :func:`~convnext_dense.data.segmentation.find.find_masks` returns them.
        num_classes: K. Labels may be 0 to K with ``reduce_zero_label``, and 0 to K - 1 without, or 255.

    Raises:
        UserError: one line with the number of bad masks of each kind, the first three of them, and what to do.
    """
    kinds = bad_masks(pairs, num_classes, reduce_zero_label)
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
    """Masks that can't be used, all for the same reason."""

    fault: str
    fix: str
    masks: list[tuple[str, str]]
    """The path of each, and details."""


def bad_masks(pairs: Sequence[ImageAndMask], num_classes: int, reduce_zero_label: bool = True) -> list[BadMasks]:
    """Scan every mask, and sort those that can't be used by the reason; see :func:`check_masks`."""
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
