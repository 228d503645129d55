"""Write a project of Supervisely."""

from __future__ import annotations

import base64
import io
import json
import zlib
from typing import Any

from PIL import Image

from ....io.image_size import ImageSize
from ....io.mask_box import box_around
from ....results.colors import class_colors
from ....results.rle import decode_mask
from .base import LabeledData, LabeledObject, Target, objects_only, split_folder

TITLE = 'Supervisely'


def write(data: LabeledData, target: Target) -> None:
    """Write ``meta.json``, and ``{split}/img/`` with ``{split}/ann/{image}.json``; each split is a data set.

    A mask is a bitmap, an object without one a rectangle, whose points are its first and last pixel.
    """
    for split, labeled in data.splits.items():
        name = split_folder(split) or 'ds0'
        images, folder = target.folder(name, 'img'), target.folder(name, 'ann')
        for image in labeled:
            placed = target.place(image, images, flat=True)
            objects = objects_only(image, target, TITLE)
            content = {
                'description': '',
                'tags': [],
                'size': {'height': image.size.height, 'width': image.size.width},
                'objects': [_entry(one, data.classes[one.label], image.size, target) for one in objects],
            }
            text = json.dumps(content, ensure_ascii=False)
            target.write_text(folder / f'{placed}.json', text)
            target.written['annotations'] += len(objects)
            target.advance()
    colors = ['#' + bytes(color).hex().upper() for color in class_colors(data.classes).tolist()]
    classes = [
        {'title': name, 'shape': 'any', 'color': color} for name, color in zip(data.classes, colors, strict=True)
    ]
    text = json.dumps({'classes': classes, 'tags': [], 'projectType': 'images'}, ensure_ascii=False)
    target.write_text(target.root / 'meta.json', text)


def _entry(one: LabeledObject, name: str, size: ImageSize, target: Target) -> dict[str, Any]:
    entry: dict[str, Any] = {'classTitle': name, 'description': '', 'tags': []}
    mask = None if one.segmentation is None else decode_mask(one.segmentation, size)
    if mask is None or not mask.any():
        left, top, right, bottom = map(round, one.corners)  # whole pixels, as Supervisely has them
        is_rounded = (left, top, right, bottom) != one.corners
        target.changed.add('box rounded to whole pixels', 'boxes rounded to whole pixels', int(is_rounded))
        points = [[left, top], [max(right - 1, left), max(bottom - 1, top)]]
        return {**entry, 'geometryType': 'rectangle', 'points': {'exterior': points, 'interior': []}}
    x1, y1, x2, y2 = box_around(mask)
    inner = mask[y1:y2, x1:x2]
    buffer = io.BytesIO()
    Image.fromarray(inner).save(buffer, 'PNG')
    bitmap = {
        'data': base64.b64encode(zlib.compress(buffer.getvalue())).decode('ascii'),
        'origin': [x1, y1],
    }
    return {**entry, 'geometryType': 'bitmap', 'bitmap': bitmap}
