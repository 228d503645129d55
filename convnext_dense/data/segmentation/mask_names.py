"""Tell by their names which mask belongs to which image: ``a.jpg`` and ``a.png``, or ``a_mask.png``."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

LOSSLESS = ('.png', '.bmp', '.tif', '.tiff', '.gif')
LOSSY = ('.jpg', '.jpeg', '.jpe', '.jfif')


class Endings(NamedTuple):
    """What follows the common part of the names of an image and its mask, before the suffixes."""

    image: str = ''
    mask: str = ''


SAME = Endings()
_WORDS = ('mask', 'masks', 'label', 'labels', 'seg', 'segmentation', 'gt', 'annotation', 'labelTrainIds', 'labelIds')
ENDINGS = (
    SAME,
    *(
        Endings(image, f'_gt{kind}_label{ids}')
        for ids in ('TrainIds', 'Ids')
        for kind in ('Fine', 'Coarse')
        for image in ('_leftImg8bit', '')
    ),
    *(Endings('', f'{separator}{word}') for word in _WORDS for separator in '_-.'),
    *(
        Endings(f'_{image}', f'_{mask}')
        for image in ('image', 'img', 'rgb', 'sat')
        for mask in ('mask', 'label', 'seg', 'gt')
    ),
    Endings('', '_L'),  # CamVid's
    Endings('', '_P'),
)
"""All endings that are known; where several fit as many images, the first ones count."""


def find_endings(images: Collection[str], masks: Collection[str]) -> Endings:
    """Find the endings by which most images have a mask.

    Args:
        images: names of the images, without suffix.
        masks: those of the masks.
    """
    if all(name in masks for name in images):
        return SAME
    known = set(masks)
    counts = {endings: sum(1 for _ in _matches(images, known, endings)) for endings in _possible(known)}
    return max(counts, key=lambda endings: counts[endings])


def by_common_part(names: Mapping[str, str], ending: str) -> dict[str, str]:
    """Return the files whose names have an ending, by the rest of their names."""
    if not ending:
        return dict(names)
    return {name.removesuffix(ending): file for name, file in names.items() if name.endswith(ending)}


def _possible(names: Collection[str]) -> list[Endings]:
    """Return the endings that some names may have; comparing all of them takes seconds for 100,000 images."""
    tails = {name[max(name.rfind(separator) for separator in '_-.') :] for name in names if name}
    return [
        one for one in ENDINGS if not one.mask or any(one.mask.endswith(tail) for tail in tails if tail[0] in '_-.')
    ]


def _matches(images: Collection[str], masks: Collection[str], endings: Endings) -> Iterator[str]:
    image, mask = endings
    for name in images:
        if name.endswith(image) and name[: len(name) - len(image)] + mask in masks:
            yield name


def beside_each_other(files: Sequence[str]) -> Endings | None:
    """Find the endings by which at least half of the images in a folder have a mask in the same folder.

    Images and masks of the same name differ in their suffix: the image is a JPEG, and the mask is not.

    Args:
        files: names of the files, with suffixes.

    Returns:
        The endings, or None if there are no masks.
    """
    stems = {os.path.splitext(file)[0] for file in files}
    best, most = None, 0
    for endings in _possible(stems)[1:]:
        matched = sum(1 for _ in _matches(stems, stems, endings))
        if matched > most and 2 * matched >= len(stems) - matched:
            best, most = endings, matched
    if best is None:
        lossy = {os.path.splitext(file)[0] for file in files if file.lower().endswith(LOSSY)}
        lossless = {os.path.splitext(file)[0] for file in files if file.lower().endswith(LOSSLESS)}
        if lossy and 2 * len(lossy & lossless) >= len(lossy):
            return SAME
    return best
