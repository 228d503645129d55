"""Write the CSV files of boxes of Open Images."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from .base import LabeledData, LabeledObject, Target, split_folder

TITLE = 'Open Images'
FOLDERS = {'train': 'train', 'val': 'validation', 'test': 'test'}
COLUMNS = (
    *('ImageID', 'Source', 'LabelName', 'Confidence', 'XMin', 'XMax', 'YMin', 'YMax'),
    *('IsOccluded', 'IsTruncated', 'IsGroupOf', 'IsDepiction', 'IsInside'),
)


def write(data: LabeledData, target: Target) -> None:
    """Write ``{split}-annotations-bbox.csv`` with the images in ``{split}/``, and ``class-descriptions-boxable.csv``.

    The splits are called ``train``, ``validation`` and ``test``. Labels are ``/m/000``, ``/m/001`` and so on. Crowds
    are groups (``IsGroupOf``). Fractions are of the upright image.
    """
    labels = [f'/m/{number:03d}' for number in range(len(data.classes))]
    table = list(zip(labels, data.classes, strict=True))
    target.write_text(target.root / 'class-descriptions-boxable.csv', _as_csv(table))
    for split, labeled in data.splits.items():
        name = FOLDERS.get(split, split_folder(split)) or 'train'
        folder = target.folder(name)
        rows: list[tuple] = [COLUMNS]
        for image in labeled:
            stem = Path(target.place(image, folder, flat=True)).stem
            for one in image.objects:
                if one.is_region:
                    ending = f'left out ({TITLE} has none)'
                    target.lost.add(f'ignore region {ending}', f'ignore regions {ending}')
                    continue
                if one.segmentation is not None and not one.is_crowd:
                    target.lost.add('mask became a box', 'masks became boxes')
                rows.append((stem, 'xclick', labels[one.label], *_numbers(one, *image.size)))
                target.written['annotations'] += 1
            target.advance()
        target.write_text(target.root / f'{name}-annotations-bbox.csv', _as_csv(rows))


def _numbers(one: LabeledObject, height: int, width: int) -> tuple[object, ...]:
    left, top, right, bottom = one.corners
    edges = (left / width, right / width, top / height, bottom / height)
    confidence = 1 if one.score is None else round(one.score, 4)
    return confidence, *(f'{min(max(edge, 0), 1):.8f}' for edge in edges), 0, 0, int(one.is_crowd), 0, 0


def _as_csv(rows: list[tuple]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator='\n').writerows(rows)
    return text.getvalue()
