"""COCO files, anybody's: where they lie, and what is wrong with them."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import NoData, UserError
from .coco_clean import clean

LAYOUTS = (  # COCO's own, Roboflow's, anybody's
    {'train': 'annotations/instances_train2017.json', 'val': 'annotations/instances_val2017.json'},
    {'train': 'train/_annotations.coco.json', 'val': 'valid/_annotations.coco.json'},
    {'train': 'annotations/*train*.json', 'val': 'annotations/*val*.json'},
)
IMAGE_FOLDERS = ('{0}2017', '{0}', 'images/{0}2017', 'images/{0}', 'images', '.')
EXPLICIT = '--data TRAIN.json:IMAGES,VAL.json:IMAGES'
EXPECTED = (
    'expected annotations/instances_{train,val}2017.json with images in {train,val}2017/, or '
    '{train,valid}/_annotations.coco.json with images beside it; '
    f'name other files with {EXPLICIT}, or take --data sample, which needs no data'
)


class CocoSource(NamedTuple):
    """A COCO file, and the folder that its file names start from."""

    annotations: Path
    images: Path


class Problem(NamedTuple):
    """What was wrong with some annotations and what was done about it, such as ``'dropped: box of zero area'``."""

    where: str
    what: str
    ids: list[int]


class Coco(NamedTuple):
    """A COCO file as :func:`read_coco` leaves it."""

    name: str
    """``'train2017'`` for ``instances_train2017.json``."""
    classes: tuple[str, ...]
    """Names of the categories in the order of the file: a label is a place in it."""
    category_ids: tuple[int, ...]
    """Their ids, which may have gaps."""
    images: list[dict]
    """``id``, ``file_name``, ``height`` and ``width`` in pixels, and whatever else the file has."""
    annotations: dict[int, list[dict]]
    """For every image id: ``id``, ``category_id``, ``bbox`` [x, y, width, height] and ``area`` in pixels, ``iscrowd``
    0 or 1, and, where there are masks, ``segmentation``: polygons, RLE or compressed RLE."""
    masks: bool
    """Whether the annotations have masks: all have, or none."""
    problems: list[Problem]


# -- finding


def find_coco(root: str) -> dict[str, CocoSource]:
    """The files for ``'train'`` and ``'val'``, or for the one of them that is there.

    Args:
        root: a folder in COCO's own layout, in Roboflow's, or with one file ``annotations/*train*.json`` and one
            ``annotations/*val*.json``; or the files by name, ``TRAIN.json[:IMAGES],VAL.json[:IMAGES]``, a single one
            being ``'val'``. Unless it is named, the folder of the images is the first that holds the first of them,
            among ``{train,val}2017``, ``{train,val}``, the same in ``images``, ``images``, the root, and all these
            beside the file.

    Raises:
        UserError: if there is nothing of the kind, more than one file that may be meant, or no image.
    """
    folder = Path(root)
    if '.json' in root and not folder.is_dir():
        return _find_named(root)
    for layout in LAYOUTS:
        files = {split: file for split, pattern in layout.items() if (file := _only_match(folder, pattern))}
        if len(set(files.values())) < len(files):
            raise UserError(f'{files["train"]} may be for training or for validation: say which with {EXPLICIT}')
        if files:
            return {split: CocoSource(file, _image_folder(file, split, folder)) for split, file in files.items()}
    raise NoData(f'no COCO data at {root}: {EXPECTED}')


def _find_named(value: str) -> dict[str, CocoSource]:
    parts = [re.fullmatch(r'(.+?\.json)(?::(.+))?', part.strip()) for part in value.split(',')]
    if len(parts) > 2:
        raise UserError(f'{len(parts)} COCO files in {value}: write {EXPLICIT}')
    sources = {}
    for split, part in zip(('train', 'val')[-len(parts) :], parts, strict=True):
        if part is None:
            raise UserError(f'cannot make out the COCO files in {value}: write {EXPLICIT}')
        file = Path(part[1])
        if not file.is_file():
            raise NoData(f'no annotations at {file}: write {EXPLICIT}')
        sources[split] = CocoSource(file, Path(part[2]) if part[2] else _image_folder(file, split, file.parent.parent))
    return sources


def _only_match(root: Path, pattern: str) -> Path | None:
    files = sorted(root.glob(pattern))
    if len(files) > 1:
        names = ', '.join(file.name for file in files)
        raise UserError(f'{len(files)} files match {root / pattern} ({names}): say which with {EXPLICIT}')
    return files[0] if files else None


def _image_folder(annotations: Path, split: str, root: Path) -> Path:
    first = _first_image(annotations)
    names = [name.format(split) for name in IMAGE_FOLDERS]
    for folder in (parent / name for parent in (root, annotations.parent) for name in names):
        if (folder / first).is_file():
            return folder
    raise UserError(
        f'{first}, the first image in {annotations}, is not in {root} nor in its {", ".join(names[:-1])}: '
        f'name the folder with {EXPLICIT}'
    )


def _first_image(annotations: Path) -> str:
    """The first file name, without reading the whole file: COCO's has half a gigabyte."""
    with open(annotations, 'rb') as file:
        if os.fstat(file.fileno()).st_size:  # nothing can't be mapped
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
                match = re.search(rb'"file_name"\s*:\s*("(?:[^"\\]|\\.)*")', text)
                if match:
                    return json.loads(match[1])
    raise UserError(f'{annotations} names no images: it is broken, or no COCO file')


# -- reading


class Header(NamedTuple):
    """What a COCO file is called and which classes it has."""

    name: str
    classes: tuple[str, ...]


def read_header(source: CocoSource) -> Header:
    """The classes alone, without parsing the rest of the file: COCO's has half a gigabyte.

    Raises:
        UserError: if the file is not there or has no categories.
    """
    path = source.annotations
    try:
        with open(path, 'rb') as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            for match in re.finditer(rb'"categories"\s*:\s*(?=\[)', text):
                end = text.find(b']', match.end()) + 1
                while end:  # a name may hold a bracket
                    with contextlib.suppress(ValueError):
                        categories = json.loads(text[match.end() : end])
                        return Header(_name(path), tuple(str(c['name']) for c in categories))
                    end = text.find(b']', end) + 1
    except FileNotFoundError:
        raise NoData(f'no annotations at {path}: {EXPECTED}') from None
    except (OSError, ValueError, TypeError, KeyError):
        pass  # what is wrong with it is said below
    read_coco(source)
    raise UserError(f"{path} is not in COCO's format")


def read_coco(source: CocoSource) -> Coco:
    """Read a COCO file, leave out what can't be used, and take note of it.

    *Dropped* are annotations whose box is missing, malformed, not finite, of zero or negative width or height, or
    wholly outside its image; and, in a file with masks, those whose mask is missing, is an RLE that is broken (of
    another size than the image, or with runs that don't cover it exactly), or has no polygon of three points.

    *Fixed*: a box that reaches over the border of its image by more than a pixel is clipped (COCO's own do by less);
    a polygon of fewer than three points, of an odd number of numbers, or with one that is not finite, is left out; a
    missing ``area`` is taken from the mask, or from the box where there are no masks; where none of the file's masks
    can be used, they all are left out. A missing ``iscrowd`` is 0, and nothing to note. The key ``ignore`` is
    noted and has no effect, as in pycocotools.

    *Errors* are the things that make a file ambiguous, or likely the wrong one, see below.

    Raises:
        UserError: for a file that can't be read, is no JSON or not in COCO's format; without categories, images or
            usable annotations; for ids that are not whole numbers, or not unique; for a category without a name or
            with another one's; for an annotation of a category or an image that is not there; for an image without
            file name, height or width, or that is not in the folder.
    """
    path, folder = source
    content = _read_json(path)
    categories, images, annotations = (content[key] for key in ('categories', 'images', 'annotations'))
    _check_categories(path, categories)
    _check_images(path, folder, images)
    sizes = {image['id']: (image['height'], image['width']) for image in images}
    category_ids = tuple(category['id'] for category in categories)
    _check_references(path, annotations, 'category', set(category_ids))
    _check_references(path, annotations, 'image', sizes.keys())

    cleaned = clean(annotations, sizes)
    name = _name(path)
    problems = [Problem(name, what, ids) for what, ids in cleaned.noted.items()]
    if not any(cleaned.by_image.values()):
        raise UserError(f'{path} has no annotation that can be used: {"; ".join(report(problems))}')
    classes = tuple(category['name'] for category in categories)
    return Coco(name, classes, category_ids, images, cleaned.by_image, cleaned.masks, problems)


def report(problems: Iterable[Problem]) -> list[str]:
    """A line for each: ``train2017: 3 annotations dropped: box of zero area (annotation ids 17, 23, 99)``."""
    return [f'{p.where}: {_number(p.ids, "annotation")} {p.what} {_ids("annotation", p.ids)}' for p in problems]


def check_same_categories(train: Coco | Header, val: Coco | Header) -> None:
    """Labels are places in the list of categories: both files must have the same names in the same order.

    Raises:
        UserError: if they don't, with both lists from the first difference on.
    """
    if train.classes != val.classes:
        pairs = enumerate(zip_longest(train.classes, val.classes))
        same = next(place for place, (one, other) in pairs if one != other)
        ours, theirs = (_shortened(coco.classes[same:], 10) or 'no more' for coco in (train, val))
        raise UserError(
            f'the categories differ from number {same + 1} on: {train.name} has {ours}; {val.name} has {theirs}: '
            'list the same ones in the same order in both files'
        )


def _name(path: Path) -> str:
    return path.parent.name if path.name == '_annotations.coco.json' else path.stem.removeprefix('instances_')


def _read_json(path: Path) -> dict[str, list[dict]]:
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise UserError(f'annotations {path} cannot be read ({error.strerror})') from None
    except (ValueError, RecursionError) as error:  # no JSON, or no text at all
        raise UserError(f'annotations {path} are no JSON ({error}): get or write the file again') from None
    for key, kind in (('categories', 'category'), ('images', 'image'), ('annotations', 'annotation')):
        items = content.get(key, []) if isinstance(content, dict) else None
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise UserError(f"{path} is not in COCO's format: its {key} must be a list of objects")
        if not items:
            raise UserError(f'{path} has no {key}')
        ids = [item.get('id') for item in items]
        for place, number in enumerate(ids, 1):
            if type(number) is not int:
                raise UserError(f'{path}: number {place} of its {key} has the id {number!r}: make it a whole number')
        if len(set(ids)) < len(ids):
            raise UserError(f'{path}: {key} with the same id {_ids(kind, _repeated(ids))}: give each its own')
    return content


def _check_categories(path: Path, categories: list[dict]) -> None:
    nameless = [c['id'] for c in categories if not isinstance(c.get('name'), str)]
    if nameless:
        raise UserError(f'{path}: categories without a name {_ids("category", nameless)}: give them one')
    repeated = _repeated(c['name'] for c in categories)
    if repeated:
        raise UserError(f'{path}: categories with the same name ({_shortened(repeated, 5)}): merge or rename them')


def _check_images(path: Path, folder: Path, images: list[dict]) -> None:
    nameless = [i['id'] for i in images if not isinstance(i.get('file_name'), str)]
    if nameless:
        raise UserError(f'{path}: {_number(nameless, "image")} without file_name {_ids("image", nameless)}')
    unsized = [i['id'] for i in images if not (_is_size(i.get('height')) and _is_size(i.get('width')))]
    if unsized:
        raise UserError(
            f'{path}: {_number(unsized, "image")} without height and width {_ids("image", unsized)}: '
            'write them, in whole pixels'
        )
    absent = _absent(folder, [i['file_name'] for i in images])
    if absent:
        raise UserError(
            f'{path}: {_number(absent, "image")} of {len(images)} not in {folder} ({_shortened(absent, 3)}): '
            f'get or remove them, or name another folder with {EXPLICIT}'
        )


def _check_references(path: Path, annotations: list[dict], kind: str, known: Collection[int]) -> None:
    lost = [a for a in annotations if type(number := a.get(f'{kind}_id')) is not int or number not in known]
    if lost:
        unknown = list(dict.fromkeys(repr(a.get(f'{kind}_id')) for a in lost))
        raise UserError(
            f'{path}: {_number(lost, "annotation")} with unknown {kind}_id {_shortened(unknown, 5)} '
            f'{_ids("annotation", [a["id"] for a in lost])}: correct or remove them'
        )


def _is_size(value: Any) -> bool:
    return type(value) is int and value > 0


def _absent(folder: Path, names: Iterable[str]) -> list[str]:
    """The files that are not there. To list a folder once is much faster than to ask for every file."""
    paths = [os.path.split(name) for name in names]
    there: dict[str, set[str]] = {}
    for parent in {parent for parent, _ in paths}:
        try:
            there[parent] = set(os.listdir(folder / parent))
        except OSError:
            there[parent] = set()
    return [os.path.join(parent, name) for parent, name in paths if name not in there[parent]]


# -- saying it


def _repeated(values: Iterable) -> list:
    return [value for value, times in Counter(values).items() if times > 1]


def _number(things: Sequence, name: str) -> str:
    return f'{len(things)} {name}{"s" if len(things) > 1 else ""}'


def _ids(kind: str, ids: Sequence[int]) -> str:
    return f'({kind} id{"s" if len(ids) > 1 else ""} {_shortened(ids, 5)})'


def _shortened(things: Sequence, limit: int) -> str:
    return ', '.join(map(str, things[:limit])) + (', ...' if len(things) > limit else '')
