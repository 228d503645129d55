"""Labels that are suspected to be wrong as files: a CSV file, and a COCO file that labeling tools import."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..data.image_scan import read_headers
from ..diagnosis.labels_to_check import class_name, in_order, reason
from ..diagnosis.suspects import Suspect
from ..io.files import atomic_write
from ..io.image_size import ImageSize

CSV_FILE, COCO_FILE = 'suspects.csv', 'suspects_coco.json'
"""Names of the files beside ``diagnosis.json``."""
COLUMNS = (
    *('rank', 'image', 'kind', 'label', 'suggested', 'strength', 'x', 'y', 'width', 'height', 'other_image'),
    'reason',
)


def write_csv(file: Path, suspects: Sequence[Suspect], classes: Sequence[str]) -> None:
    """Write suspects as a CSV file in UTF-8 with a header, a row each, the most suspected first.

    ``label`` and ``suggested`` are names of classes, ``strength`` is in [0, 1], ``x``, ``y``, ``width`` and ``height``
    are in pixels and empty where the whole image is meant.

    Args:
        file: the file.
        suspects: in any order.
        classes: names of the classes.
    """
    with (
        atomic_write(file) as temporary,
        open(temporary, 'w', newline='', encoding='utf-8', errors='surrogateescape') as opened,
    ):
        rows = csv.writer(opened, lineterminator='\n')
        rows.writerow(COLUMNS)
        for rank, one in enumerate(in_order(suspects), 1):
            box = ['', '', '', ''] if one.box is None else [_short(side) for side in _as_sides(one.box)]
            names = [class_name(label, classes) for label in (one.label, one.suggested)]
            strength = f'{one.strength:.4f}'
            rows.writerow(
                [rank, one.path, one.kind, *names, strength, *box, one.other_path or '', reason(one, classes)]
            )


def write_coco(
    file: Path, suspects: Sequence[Suspect], classes: Sequence[str], sizes: Mapping[str, ImageSize] | None = None
) -> int:
    """Write the suspects that have a box as a COCO file: each is an annotation of the suggested class, or the given.

    Names of images are relative to the folder that all of them are in. ``score`` is the strength, and ``attributes``
    has rank, kind, given and suggested class, and the reason, as strings and numbers: what CVAT, Datumaro and FiftyOne
    read. Images that can't be read are left out with their suspects.

    Args:
        file: the file.
        suspects: in any order; those of whole images are left out.
        classes: names of the classes, whose ids count from 1.
        sizes: of images by path, in pixels; others are read from the image files.

    Returns:
        The number of annotations.
    """
    listed = [(rank, one) for rank, one in enumerate(in_order(suspects), 1) if one.box is not None]
    paths = list(dict.fromkeys(one.path for _, one in listed))
    known = _sizes(paths, sizes or {})
    folder = _common_folder([path for path in paths if path in known])
    numbers = {path: number for number, path in enumerate(known, 1)}
    annotations = [
        {'id': number, 'image_id': numbers[one.path], **_annotation(rank, one, classes)}
        for number, (rank, one) in enumerate(((rank, one) for rank, one in listed if one.path in known), 1)
    ]
    content = {
        'info': {'description': f'labels to check, of images in {folder}'},
        'licenses': [],
        'images': [
            {
                'id': numbers[path],
                'file_name': os.path.relpath(path, folder).replace(os.sep, '/'),
                'width': size.width,
                'height': size.height,
            }
            for path, size in known.items()
        ],
        'categories': [{'id': number, 'name': name, 'supercategory': ''} for number, name in enumerate(classes, 1)],
        'annotations': annotations,
    }
    with atomic_write(file) as temporary:
        text = json.dumps(content, ensure_ascii=False, indent=1)
        temporary.write_text(text + '\n', encoding='utf-8', errors='surrogateescape')
    return len(annotations)


def _annotation(rank: int, one: Suspect, classes: Sequence[str]) -> dict[str, Any]:
    assert one.box is not None
    label = one.label if one.suggested is None else one.suggested
    sides = [float(_short(side)) for side in _as_sides(one.box)]
    return {
        'category_id': (label or 0) + 1,
        'bbox': sides,
        'area': sides[2] * sides[3],
        'segmentation': [],
        'iscrowd': 0,
        'score': round(one.strength, 4),
        'attributes': {
            'rank': rank,
            'kind': one.kind,
            'given': class_name(one.label, classes),
            'suggested': class_name(one.suggested, classes),
            'reason': reason(one, classes),
        },
    }


def _as_sides(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    left, top, right, bottom = box
    return left, top, right - left, bottom - top


def _short(number: float) -> str:
    """Write a number of pixels to hundredths, without zeros at the end."""
    return f'{number:.2f}'.rstrip('0').rstrip('.')


def _sizes(paths: Sequence[str], sizes: Mapping[str, ImageSize]) -> dict[str, ImageSize]:
    """Return the sizes of those images whose size is known or can be read, in order."""
    unknown = [path for path in paths if path not in sizes]
    headers = dict(zip(unknown, read_headers(unknown), strict=True))
    found = {}
    for path in paths:
        header = headers.get(path)
        if path in sizes:
            found[path] = sizes[path]
        elif header is not None and not isinstance(header, str):
            found[path] = header.upright_size
    return found


def _common_folder(paths: Sequence[str]) -> str:
    return os.path.commonpath([os.path.dirname(os.path.abspath(path)) for path in paths]) if paths else ''
