"""Write YOLO's text files, in the layout of Ultralytics."""

from __future__ import annotations

import yaml

from ....io.image_size import ImageSize
from .base import LabeledData, LabeledObject, Target, count_joined, count_outlined, objects_only, split_folder
from .outlines import as_ring, clip_ring

TITLE = 'YOLO'


def write(data: LabeledData, target: Target) -> None:
    """Write ``data.yaml`` and ``classes.txt``, ``images/{split}/`` and ``labels/{split}/``.

    A line has the class, counted from 0, and either the box (center, width, height) or the points of a polygon, as
    fractions of the upright image, to a hundredth of a pixel. Parts and holes of a mask are joined to one polygon by
    lines, as Ultralytics does. A file has boxes alone if an object of the image has no mask, since most programs take
    all lines of a file for the same. Boxes and polygons are clipped to the image, beyond which no program accepts any.
    """
    splits = {}
    for split, labeled in data.splits.items():
        name = split_folder(split)
        images, labels = target.folder('images', name), target.folder('labels', name)
        splits[split if name else 'train'] = f'images/{name}' if name else 'images'
        for image in labeled:
            # programs find the labels of an image by the last folder called images
            file = (labels / target.place(image, images, avoid='images')).with_suffix('.txt')
            objects = objects_only(image, target, TITLE)
            target.write_text(file, ''.join(f'{line}\n' for line in _lines(objects, image.size, target)))
            target.written['annotations'] += len(objects)
            target.advance()
    _write_names(data.classes, splits, target)


def _write_names(classes: list[str], splits: dict[str, str], target: Target) -> None:
    content = {**splits, 'nc': len(classes), 'names': dict(enumerate(classes))}
    text = yaml.safe_dump(content, allow_unicode=True, sort_keys=False)
    target.write_text(target.root / 'data.yaml', text)
    target.write_text(target.root / 'classes.txt', ''.join(f'{name}\n' for name in classes))


def _lines(objects: list[LabeledObject], size: ImageSize, target: Target) -> list[str]:
    """Return a line for each object."""
    digits = max(6, len(str(max(size))) + 2)
    joined = [([], False) if one.segmentation is None else as_ring(one.segmentation, size) for one in objects]
    rings = [clip_ring(ring, size) for ring, _ in joined]
    boxes_only = not all(len(ring) >= 6 for ring in rings)
    lines = []
    for one, ring, (_, is_joined) in zip(objects, rings, joined, strict=True):
        if boxes_only:
            numbers = _box(one, size)
            if one.segmentation is not None:
                ending = '(a YOLO file has boxes or polygons, and an object of the image has no mask)'
                target.lost.add(f'mask became a box {ending}', f'masks became boxes {ending}')
        else:
            numbers = [value / side for value, side in zip(ring, _sides(size, len(ring)), strict=True)]
            count_joined(is_joined, target)
            count_outlined(one, target)
        if one.score is not None and target.scores:
            numbers.append(one.score)
        lines.append(' '.join([str(one.label), *(f'{number:.{digits}f}' for number in numbers)]))
    return lines


def _sides(size: ImageSize, count: int) -> list[int]:
    return [size.width, size.height] * (count // 2)


def _box(one: LabeledObject, size: ImageSize) -> list[float]:
    left, top, right, bottom = one.corners
    left, right = max(left, 0), min(right, size.width)
    top, bottom = max(top, 0), min(bottom, size.height)
    center = (left + right) / 2 / size.width, (top + bottom) / 2 / size.height
    return [*center, (right - left) / size.width, (bottom - top) / size.height]
