"""Write label maps: index masks, and color masks as CVAT does."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from ....errors import UserError
from ....results.colors import class_colors
from ...class_words import is_background
from .base import LabeledData, Target, split_folder
from .kinds import MOST_CLASSES, free_name

FOLDERS = {'train': 'training', 'val': 'validation', 'test': 'test'}
NO_CLASS = 'unlabeled'
"""Name of unlabeled pixels."""
BLACK, VOID = (0, 0, 0), (224, 224, 192)


def write(data: LabeledData, target: Target) -> None:
    """Write ``images/{training,validation}/``, ``annotations/{training,validation}/*.png`` and ``classes.txt``.

    A background, which is the first class then, has label 0, and unlabeled pixels have 255. Without a background,
    label 0 means unlabeled, and the first line of ``classes.txt`` says so.
    """
    with_background = bool(data.classes) and is_background(data.classes[0])
    names = data.classes if with_background else [free_name(NO_CLASS, data.classes), *data.classes]
    if len(names) > MOST_CLASSES + 1:
        raise UserError(f'{len(data.classes)} classes are more than masks of 8 bits can hold: choose another format')
    numbers = (np.arange(256) + (not with_background)).astype(np.uint8)  # without a background 255 becomes 0
    for split, labeled in data.splits.items():
        name = FOLDERS.get(split, split_folder(split))
        images, masks = target.folder('images', name), target.folder('annotations', name)
        for image in labeled:
            assert image.labels is not None
            path = (masks / target.place(image, images)).with_suffix('.png')
            target.write_bytes(path, _as_png(numbers[image.labels]))
            target.written['annotations'] += 1
            target.advance()
    target.write_text(target.root / 'classes.txt', ''.join(f'{one}\n' for one in names))


def write_colors(data: LabeledData, target: Target) -> None:
    """Write ``JPEGImages/``, color masks in ``SegmentationClass/``, ``labelmap.txt`` and ``ImageSets/Segmentation/``.

    This is CVAT's "Segmentation mask 1.1". A background, which is the first class then, is black, and unlabeled pixels
    have the color of VOC's borders; without a background, black means unlabeled.
    """
    with_background = bool(data.classes) and is_background(data.classes[0])
    colors = np.full((256, 3), VOID if with_background else BLACK, np.uint8)
    first = int(with_background)
    colors[:first] = BLACK
    colors[first : len(data.classes)] = class_colors(data.classes[first:])
    images, masks = target.folder('JPEGImages'), target.folder('SegmentationClass')
    for split, labeled in data.splits.items():
        stems = []
        for image in labeled:
            assert image.labels is not None
            stems.append(Path(target.place(image, images, flat=True)).stem)
            target.write_bytes(masks / f'{stems[-1]}.png', _as_png(colors[image.labels]))
            target.written['annotations'] += 1
            target.advance()
        lines = ''.join(f'{stem}\n' for stem in stems)
        name = split_folder(split) or 'default'
        target.write_text(target.folder('ImageSets', 'Segmentation') / f'{name}.txt', lines)
    rows = [(one, tuple(colors[label].tolist())) for label, one in enumerate(data.classes)]
    rows.insert(len(rows) if with_background else 0, (free_name(NO_CLASS, data.classes), tuple(colors[255].tolist())))
    entries = ''.join(f'{one}:{",".join(map(str, color))}::\n' for one, color in rows)
    target.write_text(target.root / 'labelmap.txt', f'# label:color_rgb:parts:actions\n{entries}')


def _as_png(mask: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(mask).save(buffer, 'PNG')
    return buffer.getvalue()
