"""Write COCO files, in COCO's own layout."""

from __future__ import annotations

import json
from typing import Any

from ..base import WHOLE
from .base import LabeledData, LabeledObject, Target


def write(data: LabeledData, target: Target) -> None:
    """Write ``annotations/instances_{split}2017.json`` with the images in ``{split}2017/``.

    Data in no split are written as CVAT does: ``annotations/instances_default.json``, ``images/default/``. Crowds and
    ignore regions have ``iscrowd`` 1, predictions a ``score``. All ids count from 1.
    """
    categories = [{'id': number, 'name': name} for number, name in enumerate(data.classes, 1)]
    for split, labeled in data.splits.items():
        ending = 'default' if split == WHOLE else f'{split}2017'
        folder = target.folder('images', ending) if split == WHOLE else target.folder(ending)
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for number, image in enumerate(labeled, 1):
            height, width = image.size
            name = target.place(image, folder)
            images.append({'id': number, 'file_name': name, 'height': height, 'width': width})
            annotations += [
                {'id': place, 'image_id': number, **_entry(one)}
                for place, one in enumerate(image.objects, len(annotations) + 1)
            ]
            regions = sum(one.is_region and not one.is_crowd for one in image.objects)
            target.changed.add('ignore region became a crowd', 'ignore regions became crowds', regions)
            target.advance()
        target.written['annotations'] += len(annotations)
        content = {'images': images, 'annotations': annotations, 'categories': categories}
        text = json.dumps(content, ensure_ascii=False)
        target.write_text(target.folder('annotations') / f'instances_{ending}.json', text)


def _entry(one: LabeledObject) -> dict[str, Any]:
    entry = {
        'category_id': one.label + 1,
        'bbox': one.box,
        'area': one.box[2] * one.box[3] if one.area is None else one.area,
        'iscrowd': int(not one.is_object),
    }
    if one.segmentation is not None:
        entry['segmentation'] = one.segmentation
    if one.score is not None:
        entry['score'] = one.score
    return entry
