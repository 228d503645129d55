"""Turn label maps into objects and objects into label maps, for formats of the other kind."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

import cv2
import numpy as np

from ....errors import UserError
from ....io.image_size import ImageSize
from ....io.images import UNLABELED
from ....results.rle import decode_mask
from ...class_words import is_background
from .base import LabeledData, LabeledImage, LabeledObject, Target
from .outlines import as_segmentation

BACKGROUND = 'background'
MOST_CLASSES = UNLABELED - 1
"""Classes of objects that a label map can hold beside the background."""


def free_name(name: str, classes: Collection[str]) -> str:
    """Return a name that no class has, with underscores around it if one has it."""
    while name in classes:
        name = f'_{name}_'
    return name


def as_objects(data: LabeledData, target: Target) -> LabeledData:
    """Turn label maps into objects: each connected region of a class is one, but the background."""
    first = 1 if data.classes and is_background(data.classes[0]) else 0

    def convert(images: Iterable[LabeledImage]) -> Iterator[LabeledImage]:
        for image in images:
            assert image.labels is not None
            if (image.labels == UNLABELED).any():
                ending = '(nothing of them is an object)'
                target.lost.add(f'image with unlabeled pixels {ending}', f'images with unlabeled pixels {ending}')
            objects = [
                LabeledObject(label - first, box, as_segmentation(region), float(region.sum()))
                for label in np.unique(image.labels).tolist()
                if first <= label < UNLABELED
                for box, region in _regions(image.labels == label)
            ]
            target.changed.add('region became an object', 'regions became objects', len(objects))
            yield replace(image, objects=objects, labels=None)

    return LabeledData(data.classes[first:], {split: convert(images) for split, images in data.splits.items()})


def as_label_maps(data: LabeledData, target: Target) -> LabeledData:
    """Turn objects into label maps, in which label 0 is the background, and crowds and ignore regions are unlabeled.

    Small objects cover large ones. A box is never drawn: that of an object without a mask is unlabeled where no object
    is. If there is a class ``background``, it is the background, and its objects have label 0.

    Raises:
        UserError: for more classes than a label map can hold.
    """
    if len(data.classes) > MOST_CLASSES:
        raise UserError(
            f'{len(data.classes)} classes are more than masks of 8 bits can hold, {MOST_CLASSES} and the background: '
            'choose another format'
        )

    own = next((label for label, name in enumerate(data.classes) if is_background(name)), None)
    others = [label for label in range(len(data.classes)) if label != own]
    labels = {label: number for number, label in enumerate(others, 1)}
    if own is not None:
        labels[own] = 0

    def convert(images: Iterable[LabeledImage]) -> Iterator[LabeledImage]:
        for image in images:
            if own is not None:
                ending = f'of the class {data.classes[own]} became the background'
                count = sum(one.is_object and one.label == own for one in image.objects)
                target.lost.add(f'object {ending}', f'objects {ending}', count)
            yield replace(image, objects=[], labels=_draw(image, labels, target))

    names = [BACKGROUND if own is None else data.classes[own], *(data.classes[label] for label in others)]
    return LabeledData(names, {split: convert(images) for split, images in data.splits.items()})


def _regions(mask: np.ndarray) -> Iterator[tuple[list[float], np.ndarray]]:
    """Yield the box and the mask of each connected region of a mask."""
    count, numbers, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    for number in range(1, count):
        x, y, width, height, _ = map(float, stats[number])
        yield [x, y, width, height], numbers == number


def _draw(image: LabeledImage, label_of: Mapping[int, int], target: Target) -> np.ndarray:
    labels = np.zeros(image.size, np.uint8)
    masks = [None if one.segmentation is None else decode_mask(one.segmentation, image.size) for one in image.objects]
    for one, mask in zip(image.objects, masks, strict=True):
        if mask is None or not one.is_object:
            labels[_box(one, image.size) if mask is None else mask] = UNLABELED
            if one.is_object:
                target.lost.add('box without a mask became unlabeled', 'boxes without a mask became unlabeled')
            else:
                target.lost.add('crowd or ignore region became unlabeled', 'crowds or ignore regions became unlabeled')
    drawn = [(mask, one) for one, mask in zip(image.objects, masks, strict=True) if mask is not None and one.is_object]
    covered = np.zeros(image.size, np.uint8)
    for mask, one in sorted(drawn, key=lambda pair: -int(pair[0].sum())):
        labels[mask] = label_of[one.label]
        covered += mask & (covered < 2)
    hidden = covered > 1
    overlapping = sum(bool((mask & hidden).any()) for mask, _ in drawn)
    target.lost.add('object that overlaps another', 'objects that overlap others', overlapping)
    target.lost.add('object became pixels of its class', 'objects became pixels of their class', len(drawn))
    return labels


def _box(one: LabeledObject, size: ImageSize) -> tuple[slice, slice]:
    left, top, right, bottom = one.corners
    rows = slice(max(int(np.floor(top)), 0), min(int(np.ceil(bottom)), size.height))
    return rows, slice(max(int(np.floor(left)), 0), min(int(np.ceil(right)), size.width))
