"""Corrupt 5% of the labels of the drawn sample, train and diagnose, and count the corrupted ones among the suspects.

python benchmarks/suspected_labels.py classification detection segmentation panoptic

Training and validation labels are corrupted alike. Of the N corrupted validation labels, those count that are among
the first N in suspects.csv. The result is saved next to this file, a part for each task.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from PIL import Image

from convnext_dense.analysis.environment import environment
from convnext_dense.io.cache import CACHE_VARIABLE
from convnext_dense.sample_data.create import ensure_sample

ROOT, OUT = Path(__file__).parents[1], Path(__file__).with_suffix('.json')
SHARE = 0.05
LEAST_REGION = 64
"""Pixels of the smallest region of a mask whose label is corrupted."""
FOUND_IOU = 0.5
"""IoU of the boxes of a suspect and of a corrupted label from which they are the same."""

Box = tuple[float, float, float, float]
"""Left, top, right and bottom edge in pixels."""


class Corrupted(NamedTuple):
    """A label that was corrupted: its image, what was done, and where it was or is, () for the whole image."""

    path: str
    kind: str
    boxes: tuple[Box, ...] = ()


class Setting(NamedTuple):
    """What is corrupted and trained of a task."""

    config: str
    arguments: tuple[str, ...]
    corrupt: Callable[[Path, np.random.Generator], tuple[list[Corrupted], int]]
    """Corrupts a copy of the sample; returns the corrupted validation labels, and how many labels there are."""


def corrupt_folders(root: Path, rng: np.random.Generator) -> tuple[list[Corrupted], int]:
    """Move images to the folders of other classes."""
    found: list[Corrupted] = []
    for split in ('train', 'val'):
        folder = root / 'classification' / split
        classes = sorted(path.name for path in folder.iterdir())
        files = sorted(folder.glob('*/*'))
        moved = []
        for place in rng.permutation(len(files))[: round(SHARE * len(files))].tolist():
            file = files[place]
            other = str(rng.choice([name for name in classes if name != file.parent.name]))
            target = folder / other / f'{file.parent.name}_{file.name}'
            file.rename(target)
            moved.append(Corrupted(str(target), 'class'))
        found, count = moved, len(files)
    return found, count


def corrupt_objects(root: Path, rng: np.random.Generator) -> tuple[list[Corrupted], int]:
    """Change classes of objects, shift them, remove them, and add ones where nothing is."""
    kinds = ('class', 'shifted', 'removed', 'added')
    found: list[Corrupted] = []
    for split in ('train', 'val'):
        file = root / f'coco/annotations/instances_{split}2017.json'
        content = json.loads(file.read_text())
        images = {image['id']: image for image in content['images']}
        categories = [category['id'] for category in content['categories']]
        whole = [one for one in content['annotations'] if isinstance(one['segmentation'], list)]
        count = sum(not one['iscrowd'] for one in content['annotations'])
        changed, removed = [], set()
        for number, place in enumerate(rng.permutation(len(whole))[: round(SHARE * count)].tolist()):
            one, kind = whole[place], kinds[number % len(kinds)]
            image = images[one['image_id']]
            path = str(root / f'coco/{split}2017' / image['file_name'])
            boxes = [_box(one['bbox'])]
            if kind == 'class':
                one['category_id'] = int(rng.choice([other for other in categories if other != one['category_id']]))
            elif kind == 'shifted':
                _shift(one, image)
                boxes.append(_box(one['bbox']))
            elif kind == 'removed':
                removed.add(one['id'])
            else:
                boxes = [_add(content, image, rng, categories)]
            changed.append(Corrupted(path, kind, tuple(boxes)))
        content['annotations'] = [one for one in content['annotations'] if one['id'] not in removed]
        file.write_text(json.dumps(content))
        found = changed
    return found, count


def corrupt_masks(root: Path, rng: np.random.Generator) -> tuple[list[Corrupted], int]:
    """Give connected regions of label maps another class."""
    classes = len((root / 'ade20k/classes.txt').read_text().split())
    found: list[Corrupted] = []
    for split in ('training', 'validation'):
        files = sorted((root / 'ade20k/annotations' / split).glob('*.png'))
        regions = [(file, *region) for file in files for region in _regions(np.asarray(Image.open(file)))]
        changed = []
        for place in rng.permutation(len(regions))[: round(SHARE * len(regions))].tolist():
            file, label, pixels, box = regions[place]
            mask = np.asarray(Image.open(file)).copy()
            mask[pixels] = rng.choice([other for other in range(1, classes + 1) if other != label])
            Image.fromarray(mask).save(file)
            image = next((root / 'ade20k/images' / split).glob(f'{file.stem}.*'))
            changed.append(Corrupted(str(image), 'class', (box,)))
        found, count = changed, len(regions)
    return found, count


def corrupt_segments(root: Path, rng: np.random.Generator) -> tuple[list[Corrupted], int]:
    """Give panoptic segments another class, things that of another thing and stuff that of other stuff."""
    found: list[Corrupted] = []
    for split in ('train', 'val'):
        file = root / f'coco/annotations/panoptic_{split}2017.json'
        content = json.loads(file.read_text())
        names = {image['id']: image['file_name'] for image in content['images']}
        is_thing = {category['id']: category['isthing'] for category in content['categories']}
        segments = [(entry, one) for entry in content['annotations'] for one in entry['segments_info']]
        segments = [(entry, one) for entry, one in segments if not one['iscrowd']]
        changed = []
        for place in rng.permutation(len(segments))[: round(SHARE * len(segments))].tolist():
            entry, one = segments[place]
            there = {other['category_id'] for other in entry['segments_info']}
            alike = [key for key, thing in is_thing.items() if thing == is_thing[one['category_id']]]
            one['category_id'] = int(rng.choice([key for key in alike if key not in there]))
            path = str(root / f'coco/{split}2017' / names[entry['image_id']])
            changed.append(Corrupted(path, 'class', (_box(one['bbox']),)))
        file.write_text(json.dumps(content))
        found, count = changed, len(segments)
    return found, count


def _box(sides: Sequence[float]) -> Box:
    left, top, width, height = sides
    return left, top, left + width, top + height


def _shift(one: dict[str, Any], image: dict[str, Any]) -> None:
    """Move an object by 0.6 of its width, or of its height, to where there is more room."""
    left, top, width, height = one['bbox']
    rooms = {
        (-1, 0): left,
        (1, 0): image['width'] - left - width,
        (0, -1): top,
        (0, 1): image['height'] - top - height,
    }
    right, down = max(rooms, key=lambda side: rooms[side])
    moved = min(0.6 * (width if right else height), rooms[right, down])
    x, y = right * moved, down * moved
    one['bbox'] = [left + x, top + y, width, height]
    one['segmentation'] = [
        [value + (y if place % 2 else x) for place, value in enumerate(part)] for part in one['segmentation']
    ]


def _add(content: dict[str, Any], image: dict[str, Any], rng: np.random.Generator, categories: Sequence[int]) -> Box:
    """Add an object at a place with as little of others as can be found."""
    width, height = image['width'] / 5, image['height'] / 5
    others = [_box(one['bbox']) for one in content['annotations'] if one['image_id'] == image['id']]
    places = [(rng.uniform(0, image['width'] - width), rng.uniform(0, image['height'] - height)) for _ in range(50)]
    boxes = [(x, y, x + width, y + height) for x, y in places]
    box = min(boxes, key=lambda one: max((iou(one, other) for other in others), default=0))
    left, top, right, bottom = box
    content['annotations'].append(
        {
            'id': max(one['id'] for one in content['annotations']) + 1,
            'image_id': image['id'],
            'category_id': int(rng.choice(categories)),
            'bbox': [left, top, width, height],
            'area': width * height,
            'iscrowd': 0,
            'segmentation': [[left, top, right, top, right, bottom, left, bottom]],
        }
    )
    return box


def _regions(mask: np.ndarray) -> Iterable[tuple[int, tuple[np.ndarray, np.ndarray], Box]]:
    """Yield label, pixels and box of each connected region of a label map."""
    for label in np.unique(mask[mask > 0]).tolist():
        count, numbers, stats, _ = cv2.connectedComponentsWithStats((mask == label).astype(np.uint8), connectivity=4)
        for number in range(1, count):
            x, y, width, height, pixels = stats[number].tolist()
            if pixels >= LEAST_REGION:
                yield label, np.nonzero(numbers == number), (x, y, x + width, y + height)


def iou(one: Box, other: Box) -> float:
    """Compute the IoU of two boxes."""
    width, height = (min(one[side + 2], other[side + 2]) - max(one[side], other[side]) for side in (0, 1))
    shared = max(width, 0) * max(height, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return shared / (sum(areas) - shared)


def is_found(corrupted: Corrupted, suspects: Sequence[dict[str, str]]) -> bool:
    """Check whether a corrupted label is among suspects."""
    for row in suspects:
        if os.path.realpath(row['image']) != os.path.realpath(corrupted.path):
            continue
        if not corrupted.boxes:
            return True
        box = _box([float(row[side]) for side in ('x', 'y', 'width', 'height')]) if row['x'] else None
        if box is not None and any(iou(box, own) >= FOUND_IOU for own in corrupted.boxes):
            return True
    return False


SETTINGS = {
    'classification': Setting('configs/classification/convnext_a.py', ('--epochs', '2'), corrupt_folders),
    'detection': Setting('configs/det/cascade_convnext_a_coco.py', (), corrupt_objects),
    'segmentation': Setting('configs/seg/upernet_convnext_a_ade20k.py', (), corrupt_masks),
    'panoptic': Setting('configs/panoptic/mask2former_convnext_a_coco.py', ('--epochs', '5'), corrupt_segments),
}


def measure(task: str, folder: Path) -> dict[str, Any]:
    """Corrupt, train, diagnose and count; returns the result."""
    setting, clean = SETTINGS[task], ensure_sample()
    root = folder / clean.name  # a cache of its own, so that the settings for the sample apply
    shutil.copytree(clean, root)
    corrupted, labels = setting.corrupt(root, np.random.default_rng(0))
    start = time.perf_counter()
    run = folder / 'run'
    arguments = ['--data', 'sample', '--work-dir', str(run), *setting.arguments]
    _call(folder, 'tools/train.py', setting.config, *arguments)
    seconds = time.perf_counter() - start
    options = ['--images', '0', '--no-duplicates']
    _call(folder, 'tools/diagnose.py', setting.config, str(run), '--data', 'sample', *options)
    content = json.loads((run / 'diagnosis/diagnosis.json').read_text())
    with open(run / 'diagnosis/suspects.csv', newline='', encoding='utf-8') as file:
        suspects = list(csv.DictReader(file))
    first = suspects[: len(corrupted)]
    kinds = sorted({one.kind for one in corrupted})
    headline = content['headlines'][0]
    return {
        'config': setting.config,
        'arguments': list(setting.arguments),
        'labels': labels,
        'corrupted': len(corrupted),
        'suspects': len(suspects),
        'found': sum(is_found(one, first) for one in corrupted),
        'found_in_all': sum(is_found(one, suspects) for one in corrupted),
        'kinds': {
            kind: [sum(is_found(one, first) for one in of_kind), len(of_kind)]
            for kind in kinds
            for of_kind in [[one for one in corrupted if one.kind == kind]]
        },
        'metric': {headline['name']: round(headline['value'], 2)},
        'seconds': round(seconds, 1),
        'environment': environment(),
    }


def _call(cache: Path, *command: str) -> None:
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True, env={**os.environ, CACHE_VARIABLE: str(cache)})


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('tasks', nargs='+', choices=SETTINGS)
    parser.add_argument('--keep', metavar='DIR', help='keep data and run in this folder')
    args = parser.parse_args()
    for name in args.tasks:
        with tempfile.TemporaryDirectory() as temporary:
            where = Path(args.keep or temporary) / name
            where.mkdir(parents=True)
            result = measure(name, where)
        known = json.loads(OUT.read_text()) if OUT.exists() else {}
        OUT.write_text(json.dumps({**known, name: result}, indent=1) + '\n')
        print(name, {key: value for key, value in result.items() if key != 'environment'})
