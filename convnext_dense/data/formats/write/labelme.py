"""Write LabelMe's JSON files."""

from __future__ import annotations

import json
import os
from typing import Any

from ....io.image_size import ImageSize
from .base import LabeledData, LabeledObject, Target, count_outlined, objects_only, split_folder
from .outlines import as_parts, cut_open

TITLE = 'LabelMe'
VERSION = '5.5.0'
"""Version of LabelMe whose files these are."""


def write(data: LabeledData, target: Target) -> None:
    """Write a JSON file beside each image, in ``{split}/``, and ``labels.txt`` with the names of the classes.

    A mask is a polygon; its parts are polygons with the same ``group_id``, and a line joins a hole to its outline. An
    object without a mask is a rectangle. The score of a prediction is its ``description``.
    """
    for split, labeled in data.splits.items():
        folder = target.folder(split_folder(split))
        for image in labeled:
            placed = folder / target.place(image, folder)
            objects = objects_only(image, target, TITLE)
            content: dict[str, Any] = {
                'version': VERSION,
                'flags': {},
                'shapes': _shapes(objects, data.classes, image.size, target),
                'imagePath': placed.name if target.has_images else os.path.relpath(image.file, placed.parent),
                'imageData': None,
                'imageHeight': image.size.height,
                'imageWidth': image.size.width,
            }
            text = json.dumps(content, ensure_ascii=False) + '\n'
            target.write_text(placed.with_suffix('.json'), text)
            target.written['annotations'] += len(objects)
            target.advance()
    names = ''.join(f'{name}\n' for name in data.classes)
    target.write_text(target.root / 'labels.txt', names)


def _shapes(objects: list[LabeledObject], classes: list[str], size: ImageSize, target: Target) -> list[dict[str, Any]]:
    shapes = []
    groups = 0
    for one in objects:
        parts = [] if one.segmentation is None else as_parts(one.segmentation, size)
        if not parts:
            left, top, right, bottom = one.corners
            shapes.append(_shape(one, classes, 'rectangle', [[left, top], [right, bottom]], None))
            continue
        count_outlined(one, target)
        groups += len(parts) > 1
        cut = any(part.holes for part in parts)
        target.changed.add('mask with holes cut open by lines', 'masks with holes cut open by lines', int(cut))
        for part in parts:
            ring = cut_open(part)
            points = [list(point) for point in zip(ring[::2], ring[1::2], strict=True)]
            shapes.append(_shape(one, classes, 'polygon', points, groups if len(parts) > 1 else None))
    return shapes


def _shape(
    one: LabeledObject, classes: list[str], kind: str, points: list[list[float]], group: int | None
) -> dict[str, Any]:
    return {
        'label': classes[one.label],
        'points': points,
        'group_id': group,
        'description': '' if one.score is None else f'score {one.score:.4f}',
        'shape_type': kind,
        'flags': {},
        'mask': None,
    }
