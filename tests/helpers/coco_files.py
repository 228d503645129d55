"""A small COCO data set of colored rectangles on gray, which tests may spoil."""

import json
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as rle

HEIGHT, WIDTH = 60, 80
GRAY = 128
COLORS = {'red': (220, 40, 40), 'green': (40, 200, 60), 'blue': (40, 60, 220)}
CATEGORIES = {'red': 7, 'green': 2, 'blue': 0}  # with gaps, unsorted, one of them 0


def content() -> dict:
    """Four images: three forms of masks in the first, a crowd and a thing in the second, an upright one, a bare one.

    The annotations have the ids 1 to 6.
    """
    return {
        'images': [image(0), image(1), image(4, HEIGHT, WIDTH), image(9)],
        'annotations': [
            annotation(1, 0, 'red', [5, 6, 20, 30]),
            annotation(2, 0, 'green', [40, 10, 25, 12], form='rle'),
            annotation(3, 0, 'blue', [30, 40, 40, 15], form='runs'),
            annotation(4, 1, 'green', [2, 3, 30, 20], form='runs', iscrowd=1),
            annotation(5, 1, 'red', [50, 30, 12, 24]),
            annotation(6, 4, 'blue', [10, 20, 33, 44], width=HEIGHT, height=WIDTH),
        ],
        'categories': [{'id': number, 'name': name} for name, number in CATEGORIES.items()],
    }


def image(number: int, width: int = WIDTH, height: int = HEIGHT) -> dict:
    return {'id': number, 'file_name': f'{number:03d}.png', 'width': width, 'height': height}


def annotation(
    number: int,
    image_id: int,
    name: str,
    box: list,
    form: str = 'polygon',
    iscrowd: int = 0,
    width: int = WIDTH,
    height: int = HEIGHT,
) -> dict:
    x, y, w, h = box
    pixels = np.zeros((height, width), np.uint8, order='F')
    pixels[y : y + h, x : x + w] = 1
    packed = rle.encode(pixels)
    masks = {
        'polygon': [[x, y, x + w, y, x + w, y + h, x, y + h]],
        'rle': {'size': [height, width], 'counts': packed['counts'].decode()},
        'runs': {'size': [height, width], 'counts': runs(pixels)},
    }
    return {
        'id': number,
        'image_id': image_id,
        'category_id': CATEGORIES[name],
        'bbox': box,
        'area': w * h,
        'iscrowd': iscrowd,
        'segmentation': masks[form],
    }


def runs(pixels: np.ndarray) -> list[int]:
    """Lengths of runs of 0 and 1 in turn, column by column, counted one pixel after another."""
    counts, value = [0], 0
    for pixel in pixels.T.ravel().tolist():
        if pixel != value:
            counts.append(0)
            value = pixel
        counts[-1] += 1
    return counts


def write(root: Path, data: dict, split: str = 'train', drawn: dict | None = None) -> tuple[Path, Path]:
    """Write a file and its images, which show ``drawn`` if not that, in COCO's layout; returns the two places."""
    file, folder = root / 'annotations' / f'instances_{split}2017.json', root / f'{split}2017'
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(data))
    draw(folder, drawn or data)
    return file, folder


def draw(folder: Path, data: dict) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    names = {number: name for name, number in CATEGORIES.items()}
    for entry in data['images']:
        pixels = np.full((entry['height'], entry['width'], 3), GRAY, np.uint8)
        for a in data['annotations']:
            if a['image_id'] == entry['id']:
                x, y, w, h = a['bbox']
                pixels[y : y + h, x : x + w] = COLORS[names[a['category_id']]]
        Image.fromarray(pixels).save(folder / entry['file_name'])


def lay_out(root: Path, *files: str, folders: tuple[str, ...] = ()) -> None:
    """Empty COCO files, and in each of ``folders`` the images that they name."""
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(json.dumps(content()))
    for folder in folders:
        draw(root / folder, content())
