"""Write COCO's files of instances and of segments for drawn scenes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from ..io.coco_format import CocoAnnotation, CocoImage
from ..io.mask_box import box_around


class SceneEntry(CocoImage):
    """An image of a COCO file with its annotations, which have no ids yet."""

    annotations: list[CocoAnnotation]
    segments: list[SegmentInfo]


class SegmentInfo(TypedDict):
    """A segment in ``segments_info`` of a panoptic COCO file; ``bbox`` is [x, y, width, height] in pixels."""

    id: int
    category_id: int
    iscrowd: int
    bbox: list[int]
    area: int


def coco_box(mask: np.ndarray) -> list[int]:
    """Return the smallest box around a mask: x, y, width, height."""
    x1, y1, x2, y2 = box_around(mask)
    return [x1, y1, x2 - x1, y2 - y1]


def add_segment(ids: np.ndarray, mask: np.ndarray, number: int, category: int, iscrowd: int) -> SegmentInfo:
    """Give the pixels of a mask (H, W) the id of a new segment, and return it."""
    ids[mask] = number
    return SegmentInfo(id=number, category_id=category, iscrowd=iscrowd, bbox=coco_box(mask), area=int(mask.sum()))


def categories(ids: Sequence[int], names: Sequence[str], kinds: Sequence[str]) -> list[dict[str, Any]]:
    """Return COCO's categories: their ids, names and supercategories."""
    rows = zip(ids, names, kinds, strict=True)
    return [{'id': number, 'name': name, 'supercategory': kind} for number, name, kind in rows]


def write_coco_files(
    folder: Path,
    split: str,
    entries: Sequence[SceneEntry],
    things: Sequence[dict[str, Any]],
    stuff: Sequence[dict[str, Any]],
    description: str,
) -> None:
    """Write ``instances_{split}2017.json`` and ``panoptic_{split}2017.json`` from the entries of the split's scenes.

    Annotations of instances are numbered in their order.
    """
    annotations = [annotation for entry in entries for annotation in entry['annotations']]
    for number, annotation in enumerate(annotations, 1):
        annotation['id'] = number
    segmented = [
        {
            'image_id': entry['id'],
            'file_name': f'{Path(entry["file_name"]).stem}.png',
            'segments_info': entry['segments'],
        }
        for entry in entries
    ]
    kinds = [{**one, 'isthing': int(one in things)} for one in (*things, *stuff)]
    for name, of_images, chosen in (('instances', annotations, things), ('panoptic', segmented, kinds)):
        content = {
            'info': {'description': description},
            'licenses': [],
            'images': [{k: v for k, v in entry.items() if k not in ('annotations', 'segments')} for entry in entries],
            'annotations': of_images,
            'categories': chosen,
        }
        path = folder / f'{name}_{split}2017.json'
        path.write_text(json.dumps(content, separators=(',', ':')), encoding='utf-8')
