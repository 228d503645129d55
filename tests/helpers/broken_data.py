"""Small data sets of each task, and mutations that break them as people's files are broken."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image

from tests.helpers import coco_files, mask_folder

Mutation = Callable[[Path, Random], None]
"""Changes the data set in a folder."""


# ------------------------------------------------------------------ data sets without a fault


def write_images(root: Path) -> None:
    """Three classes of four images for training and two for validation, all different."""
    rng = np.random.default_rng(0)
    for split, count in (('train', 4), ('val', 2)):
        for name in ('cat', 'dog', 'eel'):
            for number in range(count):
                save(root / split / name / f'{number}.png', rng.integers(0, 256, (40, 48, 3), np.uint8))


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


def write_masks(root: Path) -> None:
    """Four images for training and two for validation, all different, with the labels 0 to 5 and their names."""
    mask_folder.write_mask_folder(root)
    for path in sorted((root / 'images' / 'validation').iterdir()):
        with Image.open(path) as image:
            image.putpixel((0, 0), (1, 1, 1))
            image.save(path)
    (root / 'classes.txt').write_text('\n'.join(['wall', 'sky', 'tree', 'road', 'car']) + '\n')


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


# ------------------------------------------------------------------ any image of any data set


def images_of(root: Path, part: str = '') -> list[Path]:
    return sorted(path for path in root.rglob('*.png') if 'annotations' not in path.parts and part in str(path))


def on_an_image(change: Callable[[Path, Random], None]) -> Mutation:
    def mutation(root: Path, random: Random) -> None:
        paths = images_of(root)
        if paths:
            change(random.choice(paths), random)

    mutation.__name__ = change.__name__
    return mutation


@on_an_image
def truncated_image(path: Path, random: Random) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: random.randrange(len(content))])


@on_an_image
def web_page_instead_of_an_image(path: Path, random: Random) -> None:
    path.write_text('<!DOCTYPE html><html>404</html>')


@on_an_image
def image_removed(path: Path, random: Random) -> None:
    path.unlink()


@on_an_image
def gray_image(path: Path, random: Random) -> None:
    _convert(path, random.choice(['L', '1', 'P', 'LA', 'RGBA']))


@on_an_image
def jpeg_with_the_name_of_a_png(path: Path, random: Random) -> None:
    with Image.open(path) as image:
        image.convert('RGB').save(path, 'jpeg')


@on_an_image
def sixteen_bit_image(path: Path, random: Random) -> None:
    """All 16 bits are used."""
    with Image.open(path) as image:
        gray = np.asarray(image.convert('L'), np.uint16)
    Image.fromarray(gray * 257).save(path)


@on_an_image
def twelve_bit_image(path: Path, random: Random) -> None:
    with Image.open(path) as image:
        gray = np.asarray(image.convert('L'), np.uint16)
    Image.fromarray(gray * 16).save(path)


@on_an_image
def enlarged_image(path: Path, random: Random) -> None:
    with Image.open(path) as image:
        image.resize((image.width + 8, image.height)).save(path)


@on_an_image
def rotated_by_exif(path: Path, random: Random) -> None:
    with Image.open(path) as image:
        exif = image.getexif()
        exif[274] = random.randint(2, 8)
        image.save(path, exif=exif)


@on_an_image
def copied_image(path: Path, random: Random) -> None:
    paths = images_of(path.parents[1])
    shutil.copy(path, random.choice(paths)) if len(paths) > 1 else None


@on_an_image
def hidden_files(path: Path, random: Random) -> None:
    """Files that a system or an editor leaves beside the images."""
    for name in ('._' + path.name, '.DS_Store', 'Thumbs.db', '.ipynb_checkpoints/' + path.name, '@eaDir/' + path.name):
        other = path.parent / name
        other.parent.mkdir(exist_ok=True)
        other.write_bytes(b'\0\1\2') if random.random() < 0.5 else shutil.copy(path, other)


@on_an_image
def folder_that_links_to_itself(path: Path, random: Random) -> None:
    if not (path.parent / 'again').exists():
        os.symlink('.', path.parent / 'again')


@on_an_image
def image_in_another_format(path: Path, random: Random) -> None:
    with Image.open(path) as image:
        image.convert('RGB').save(path.with_suffix(random.choice(['.gif', '.jfif', '.tif', '.bmp'])))
    path.unlink()


@on_an_image
def extension_in_capitals(path: Path, random: Random) -> None:
    path.rename(path.with_suffix('.PNG'))


def _convert(path: Path, mode: str) -> None:
    with Image.open(path) as image:
        image.convert(mode).save(path)


IMAGES: list[Mutation] = [
    truncated_image, web_page_instead_of_an_image, image_removed, gray_image, jpeg_with_the_name_of_a_png,
    sixteen_bit_image, twelve_bit_image, enlarged_image, rotated_by_exif, copied_image, hidden_files,
    folder_that_links_to_itself, image_in_another_format, extension_in_capitals,
]  # fmt: skip


# ------------------------------------------------------------------ folders of classes


def _class_folder(root: Path, random: Random) -> Path:
    return random.choice(sorted(path for path in root.glob('*/*') if path.is_dir()))


def class_renamed(root: Path, random: Random) -> None:
    folder = _class_folder(root, random)
    folder.rename(folder.with_name(folder.name.capitalize() + random.choice(['', 's'])))


def class_removed(root: Path, random: Random) -> None:
    shutil.rmtree(_class_folder(root, random))


def class_emptied(root: Path, random: Random) -> None:
    for path in _class_folder(root, random).iterdir():
        path.unlink() if path.is_file() or path.is_symlink() else shutil.rmtree(path)


def empty_class_added(root: Path, random: Random) -> None:
    (_class_folder(root, random).parent / 'fox').mkdir(exist_ok=True)


def no_validation_images(root: Path, random: Random) -> None:
    shutil.rmtree(root / 'val', ignore_errors=True)


def text_file_among_the_images(root: Path, random: Random) -> None:
    (_class_folder(root, random) / 'notes.txt').write_text('three dogs')


CLASSES: list[Mutation] = [
    class_renamed, class_removed, class_emptied, empty_class_added, no_validation_images, text_file_among_the_images,
]  # fmt: skip


# ------------------------------------------------------------------ COCO files

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


# ------------------------------------------------------------------ masks


def on_a_mask(change: Callable[[np.ndarray, Random], np.ndarray]) -> Mutation:
    def mutation(root: Path, random: Random) -> None:
        paths = sorted(root.glob('annotations/*/*.png'))
        if paths:
            path = random.choice(paths)
            try:
                with Image.open(path) as image:
                    labels = np.asarray(image)
            except OSError:
                return
            Image.fromarray(change(labels, random)).save(path)

    mutation.__name__ = change.__name__
    return mutation


def on_all_masks(change: Callable[[np.ndarray, Random], np.ndarray]) -> Mutation:
    def mutation(root: Path, random: Random) -> None:
        state = random.getstate()
        for path in sorted(root.glob('annotations/*/*.png')):
            try:
                with Image.open(path) as image:
                    labels = np.asarray(image)
            except OSError:
                continue
            random.setstate(state)
            Image.fromarray(change(labels, random)).save(path)

    mutation.__name__ = change.__name__
    return mutation


@on_a_mask
def unknown_label(labels: np.ndarray, random: Random) -> np.ndarray:
    labels = labels.copy()
    labels[0, 0] = random.choice([6, 7, 100, 254])
    return labels


@on_a_mask
def nothing_labeled(labels: np.ndarray, random: Random) -> np.ndarray:
    return np.full_like(labels, random.choice([0, 255]))


@on_a_mask
def mask_of_another_size(labels: np.ndarray, random: Random) -> np.ndarray:
    return labels[:-1]


@on_a_mask
def mask_turned(labels: np.ndarray, random: Random) -> np.ndarray:
    return np.ascontiguousarray(labels.T)


@on_a_mask
def mask_of_three_channels(labels: np.ndarray, random: Random) -> np.ndarray:
    return np.repeat(labels[..., None], 3, axis=2) if labels.ndim == 2 and labels.dtype == np.uint8 else labels


@on_a_mask
def sixteen_bit_mask(labels: np.ndarray, random: Random) -> np.ndarray:
    return labels.astype(np.uint16)


@on_all_masks
def sixteen_bit_masks(labels: np.ndarray, random: Random) -> np.ndarray:
    return labels.astype(np.uint16)


@on_all_masks
def zeros_and_ones(labels: np.ndarray, random: Random) -> np.ndarray:
    return (labels > 1).astype(np.uint8)


@on_all_masks
def one_bit_masks(labels: np.ndarray, random: Random) -> np.ndarray:
    return labels > 1


@on_all_masks
def zeros_and_255(labels: np.ndarray, random: Random) -> np.ndarray:
    return np.where(labels > 1, 255, 0).astype(np.uint8)


@on_all_masks
def labels_from_0_on(labels: np.ndarray, random: Random) -> np.ndarray:
    return np.where(labels > 0, labels - 1, 255 if random.random() < 0.5 else 0).astype(np.uint8)


def truncated_mask(root: Path, random: Random) -> None:
    path = random.choice(sorted(root.glob('annotations/*/*.png')) or [root / 'none'])
    if path.exists():
        content = path.read_bytes()
        path.write_bytes(content[: random.randrange(len(content))])


def mask_removed(root: Path, random: Random) -> None:
    random.choice(sorted(root.glob('annotations/*/*.png'))).unlink()


def mask_without_image(root: Path, random: Random) -> None:
    mask_folder.save(root / 'annotations' / 'training' / 'more.png', mask_folder.draw_labels(9))


def other_names(root: Path, random: Random) -> None:
    names = (root / 'classes.txt').read_text().split() if (root / 'classes.txt').exists() else []
    names = random.choice(
        [names[:-1], [*names, 'boat'], ['background', *names], [*names, *names[:1]], [], ['', *names]]
    )
    (root / 'classes.txt').write_text('\n'.join(names) + '\n')


def no_names(root: Path, random: Random) -> None:
    (root / 'classes.txt').unlink(missing_ok=True)


def no_validation_masks(root: Path, random: Random) -> None:
    for kind in ('images', 'annotations'):
        shutil.rmtree(root / kind / 'validation', ignore_errors=True)


MASKS: list[Mutation] = [
    unknown_label, nothing_labeled, mask_of_another_size, mask_turned, mask_of_three_channels, sixteen_bit_mask,
    sixteen_bit_masks, zeros_and_ones, one_bit_masks, zeros_and_255, labels_from_0_on, truncated_mask, mask_removed,
    mask_without_image, other_names, other_names, no_names, no_validation_masks,
]  # fmt: skip
