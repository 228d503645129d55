"""A small panoptic data set, and straightforward code that reads one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from convnext_dense.data.panoptic.files import PanopticFiles, find_panoptic_splits
from tests.helpers.mask_folder import save

CATEGORIES = [
    {'id': 3, 'name': 'cat', 'isthing': 1},
    {'id': 7, 'name': 'sky', 'isthing': 0},
    {'id': 9, 'name': 'dog', 'isthing': 1},
    {'id': 12, 'name': 'grass', 'isthing': 0},
]
CLASSES = ['cat', 'dog', 'sky', 'grass']
SIZE = (40, 48)
CAT, CROWD, SKY, GRASS, DOG = 300, 66_051, 70_000, 5, 16_777_215


def draw_ids(number: int) -> np.ndarray:
    """The ids of the segments of an image: a cat, a dog, a crowd of dogs, sky and grass, and a corner of none."""
    ids = np.full((20, 24), SKY)
    ids[10:] = GRASS
    ids[5:15, 2 : 8 + number] = CAT
    ids[12:18, 10:13] = DOG
    ids[:6, 15:20] = CROWD
    ids[16:, 20:] = 0
    return ids.repeat(2, 0).repeat(2, 1)


def as_colors(ids: np.ndarray) -> np.ndarray:
    return np.stack([ids % 256, ids // 256 % 256, ids // 256**2], axis=2).astype(np.uint8)


def segment(ids: np.ndarray, number: int, category: int, iscrowd: int = 0) -> dict[str, Any]:
    rows, columns = np.nonzero(ids == number)
    box = [int(columns.min()), int(rows.min()), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1]
    return {'id': number, 'category_id': category, 'iscrowd': iscrowd, 'bbox': box, 'area': len(rows)}


def write_panoptic_set(root: Path, splits: tuple[str, ...] = ('train', 'val'), images: int = 2) -> Path:
    for split in splits:
        content: dict[str, Any] = {'images': [], 'annotations': [], 'categories': CATEGORIES}
        for number in range(1, images + 1):
            ids, name = draw_ids(number), f'{number:03d}'
            rng = np.random.default_rng([number, split == 'val'])
            save(root / f'{split}2017' / f'{name}.jpg', rng.integers(0, 256, (*SIZE, 3), np.uint8))
            save(root / 'annotations' / f'panoptic_{split}2017' / f'{name}.png', as_colors(ids))
            size = {'height': SIZE[0], 'width': SIZE[1]}
            content['images'].append({'id': 10 * number, 'file_name': f'{name}.jpg', **size})
            segments = [segment(ids, *one) for one in ((SKY, 7), (CAT, 3), (CROWD, 9, 1), (GRASS, 12), (DOG, 9))]
            content['annotations'].append(
                {'image_id': 10 * number, 'file_name': f'{name}.png', 'segments_info': segments}
            )
        (root / f'annotations/panoptic_{split}2017.json').write_text(json.dumps(content))
    return root


def change(root: Path, edit: Callable[[Any], object], split: str = 'train') -> None:
    file = root / f'annotations/panoptic_{split}2017.json'
    content = json.loads(file.read_text())
    edit(content)
    file.write_text(json.dumps(content))


def files_of(root: Path, split: str = 'train') -> PanopticFiles:
    return find_panoptic_splits(root)[split]


def settings(root: Path, split: str = 'train', **others: Any) -> dict[str, Any]:
    """Arguments of a data set."""
    files = files_of(root, split)
    return {**{key: str(value) for key, value in files._asdict().items()}, 'pipeline': [], **others}


def reference(files: PanopticFiles) -> dict[str, dict[str, Any]]:
    """Masks, boxes and labels of the things of each image, and the class of each pixel, by the name of the image."""
    content = json.loads(files.annotations.read_text())
    kinds = sorted(content['categories'], key=lambda one: 1 - one['isthing'])  # things first, else as they are
    label_of = {one['id']: label for label, one in enumerate(kinds)}
    found = {}
    for annotation in content['annotations']:
        (image,) = (one for one in content['images'] if one['id'] == annotation['image_id'])
        rgb = np.asarray(Image.open(files.segments / annotation['file_name'])).astype(int)
        ids = rgb[..., 0] + 256 * rgb[..., 1] + 256**2 * rgb[..., 2]
        classes, masks, boxes, labels = np.full(ids.shape, 255), [], [], []
        for one in annotation['segments_info']:
            if one['iscrowd']:
                continue
            label = label_of[one['category_id']]
            classes[ids == one['id']] = label
            if kinds[label]['isthing']:
                x, y, width, height = one['bbox']
                masks.append(ids == one['id'])
                boxes.append([x, y, x + width, y + height])
                labels.append(label)
        found[image['file_name']] = {'masks': masks, 'boxes': boxes, 'labels': labels, 'classes': classes}
    return found
