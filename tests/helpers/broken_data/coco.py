"""A small data set of COCO files without a fault, and mutations of COCO files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from PIL import Image

from .. import coco_files
from .mutation import Mutation


def write_coco(root: Path) -> None:
    """Four images for training and for validation, all different, with six annotations each."""
    for shade, split in enumerate(('train', 'val')):
        content = coco_files.content()
        for entry in content['images']:
            entry['file_name'] = f'{split}{entry["file_name"]}'
        _, folder = coco_files.write(root, content, split)
        for path in folder.iterdir():
            with Image.open(path) as image:
                image.putpixel((0, 0), (shade, shade, shade))
                image.save(path)


VALUES = [None, True, False, 0, 1, -1, 2, 1.5, -7.25, 1e9, float('nan'), float('inf'), '', '0', '1', 'x', 'true',
          [], {}, [[]], [1, 2], 2**40]  # fmt: skip
"""Values of any type in place of the right one."""
FIELDS = {
    'annotations': ['id', 'image_id', 'category_id', 'bbox', 'area', 'iscrowd', 'segmentation', 'ignore'],
    'images': ['id', 'file_name', 'height', 'width'],
    'categories': ['id', 'name'],
}


def in_the_file(change: Callable[[dict, Random], None]) -> Mutation:
    def mutation(root: Path, random: Random) -> None:
        file = root / 'annotations' / f'instances_{random.choice(["train", "val"])}2017.json'
        content = json.loads(file.read_text())
        change(content, random)
        file.write_text(json.dumps(content))

    mutation.__name__ = change.__name__
    return mutation


def _entry(content: dict, random: Random, kind: str) -> dict[str, Any]:
    return random.choice(content[kind]) if content.get(kind) else {}


@in_the_file
def any_value(content: dict, random: Random) -> None:
    kind = random.choice(list(FIELDS))
    _entry(content, random, kind)[random.choice(FIELDS[kind])] = random.choice(VALUES)


@in_the_file
def value_absent(content: dict, random: Random) -> None:
    kind = random.choice(list(FIELDS))
    _entry(content, random, kind).pop(random.choice(FIELDS[kind]), None)


@in_the_file
def values_as_text(content: dict, random: Random) -> None:
    kind = random.choice(list(FIELDS))
    field = random.choice(FIELDS[kind])
    for entry in content[kind]:
        if isinstance(value := entry.get(field), int | float):
            entry[field] = str(value)
        elif isinstance(value, list) and all(isinstance(part, int | float) for part in value):
            entry[field] = [str(part) for part in value]


@in_the_file
def entry_repeated(content: dict, random: Random) -> None:
    kind = random.choice(list(FIELDS))
    if content[kind]:
        content[kind].append(dict(_entry(content, random, kind)))


@in_the_file
def entry_removed(content: dict, random: Random) -> None:
    kind = random.choice(list(FIELDS))
    if content[kind]:
        content[kind].remove(_entry(content, random, kind))


@in_the_file
def list_removed(content: dict, random: Random) -> None:
    content.pop(random.choice(list(FIELDS)))


@in_the_file
def number_in_a_box(content: dict, random: Random) -> None:
    box = _entry(content, random, 'annotations').get('bbox')
    if isinstance(box, list) and box:
        box[random.randrange(len(box))] = random.choice(VALUES)


def _boxes(content: dict, convert: Callable[[float, float, float, float], list]) -> None:
    for entry in content['annotations']:
        box = entry.get('bbox')
        if isinstance(box, list) and len(box) == 4 and all(type(part) in (int, float) for part in box):
            entry['bbox'] = convert(*box)


@in_the_file
def boxes_as_corners(content: dict, random: Random) -> None:
    _boxes(content, lambda x, y, w, h: [x, y, x + w, y + h])


@in_the_file
def boxes_as_centers(content: dict, random: Random) -> None:
    _boxes(content, lambda x, y, w, h: [x + w / 2, y + h / 2, w, h])


@in_the_file
def boxes_between_0_and_1(content: dict, random: Random) -> None:
    _boxes(content, lambda x, y, w, h: [x / 80, y / 60, w / 80, h / 60])


@in_the_file
def rectangle_without_polygon(content: dict, random: Random) -> None:
    _entry(content, random, 'annotations')['segmentation'] = random.choice([None, [], [[]]])


@in_the_file
def no_masks(content: dict, random: Random) -> None:
    for entry in content['annotations']:
        entry.pop('segmentation', None)


@in_the_file
def flat_polygon(content: dict, random: Random) -> None:
    entry = _entry(content, random, 'annotations')
    mask = entry.get('segmentation')
    if isinstance(mask, list) and mask and isinstance(mask[0], list):
        points = mask[0]
        entry['segmentation'] = random.choice(
            [points, [list(point) for point in zip(*[iter(points)] * 2, strict=False)]]
        )


@in_the_file
def broken_mask(content: dict, random: Random) -> None:
    mask = _entry(content, random, 'annotations').get('segmentation')
    if isinstance(mask, dict):
        mask[random.choice(['size', 'counts'])] = random.choice([[60, 81], [5, 5, 5], 'xyz', '', None])
    elif isinstance(mask, list) and mask and isinstance(mask[0], list):
        mask[0] = mask[0][: random.randrange(len(mask[0]) + 1)]


@in_the_file
def all_crowds(content: dict, random: Random) -> None:
    for entry in content['annotations']:
        entry['iscrowd'] = random.choice([1, True, '1'])


@in_the_file
def other_order_of_categories(content: dict, random: Random) -> None:
    random.shuffle(content['categories'])


@in_the_file
def category_renamed(content: dict, random: Random) -> None:
    _entry(content, random, 'categories')['name'] = random.choice(['Red', 'person', '', 'red'])


@in_the_file
def other_file_names(content: dict, random: Random) -> None:
    entry = _entry(content, random, 'images')
    name = str(entry.get('file_name'))
    entry['file_name'] = random.choice(
        [f'D:\\data\\{name}', f'./{name}', name.upper(), f'https://a.b/{name}', 'no.png']
    )


@in_the_file
def other_size(content: dict, random: Random) -> None:
    entry = _entry(content, random, 'images')
    entry['height'], entry['width'] = entry.get('width'), entry.get('height')


@in_the_file
def categories_elsewhere(content: dict, random: Random) -> None:
    """The word comes first inside other objects."""
    content['info'] = {'categories': [{'id': 1, 'name': 'one'}], 'file_name': 'a.png'}
    for key in [key for key in content if key != 'info']:
        content[key] = content.pop(key)


def damaged_file(root: Path, random: Random) -> None:
    file = random.choice(sorted((root / 'annotations').iterdir()))
    content = file.read_bytes()
    file.write_bytes(content[: random.randrange(len(content) + 1)])


COCO: list[Mutation] = [
    any_value, any_value, any_value, value_absent, value_absent, values_as_text, entry_repeated, entry_removed,
    list_removed, number_in_a_box, number_in_a_box, boxes_as_corners, boxes_as_centers, boxes_between_0_and_1,
    rectangle_without_polygon, no_masks, flat_polygon, broken_mask, all_crowds, other_order_of_categories,
    category_renamed, other_file_names, other_size, categories_elsewhere, damaged_file,
]  # fmt: skip
