"""Write the JSON files of the VGG Image Annotator (VIA)."""

from __future__ import annotations

import json
import os
from typing import Any

from ....io.image_size import ImageSize
from .base import LabeledData, LabeledObject, Target, count_joined, count_outlined, objects_only, split_folder
from .outlines import as_ring

TITLE = 'VIA'
CLASS = 'class'
"""The attribute of regions that names their class."""


def write(data: LabeledData, target: Target) -> None:
    """Write ``{split}/via_region_data.json`` beside the images of each split, as VIA exports annotations.

    A mask is a polygon, in which lines join parts and holes; an object without a mask is a rectangle.
    """
    used = set()
    for split, labeled in data.splits.items():
        folder = target.folder(split_folder(split))
        content = {}
        for image in labeled:
            name = target.place(image, folder)
            objects = objects_only(image, target, TITLE)
            used |= {one.label for one in objects}
            size = os.path.getsize(image.file)
            regions = [_region(one, data.classes[one.label], image.size, target) for one in objects]
            content[f'{name}{size}'] = {'filename': name, 'size': size, 'regions': regions, 'file_attributes': {}}
            target.written['annotations'] += len(objects)
            target.advance()
        text = json.dumps(content, ensure_ascii=False)
        target.write_text(folder / 'via_region_data.json', text)
    ending = f'without an object ({TITLE} lists no classes)'
    target.lost.add(f'class {ending}', f'classes {ending}', len(data.classes) - len(used))


def _region(one: LabeledObject, name: str, size: ImageSize, target: Target) -> dict[str, Any]:
    ring, is_joined = ([], False) if one.segmentation is None else as_ring(one.segmentation, size)
    shape: dict[str, Any]
    if ring:
        count_joined(is_joined, target)
        count_outlined(one, target)
        shape = {'name': 'polygon', 'all_points_x': ring[::2], 'all_points_y': ring[1::2]}
    else:
        shape = {'name': 'rect', **dict(zip(('x', 'y', 'width', 'height'), one.box, strict=True))}
    return {'shape_attributes': shape, 'region_attributes': {CLASS: name}}
