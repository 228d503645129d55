"""Read the content of a panoptic COCO file, things and stuff alike, and check that it does not contradict itself."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import NoData, UserError
from ...io.coco_format import CocoImage
from ...io.images import UNLABELED
from ...io.json_lists import iterate_list
from ...io.panoptic import MOST_SEGMENTS
from ...io.progress import reading
from ..check.records import WARNING
from ..detection.coco_images import read_images
from ..formats.faults import Fault
from ..formats.file_cache import kept_while_unchanged
from ..formats.file_names import Folder
from ..formats.values import read_integer
from ..text import count_of, quoted, shortened
from .files import PanopticFiles, read_lists


class Category(NamedTuple):
    """A category of a file."""

    id: int
    name: str
    isthing: Any
    """As it is in the file: 1 for things, 0 for stuff."""


class ListedSegment(NamedTuple):
    """A segment of an image as it is in a file."""

    id: int
    category: int
    """Index of its category in the file."""
    entry: Mapping[str, Any]


class SegmentedImage(NamedTuple):
    """An image and its segments."""

    image: CocoImage
    segments_file: str
    """Path of the PNG file."""
    segments: list[ListedSegment]
    id: int | str
    """Its id as the file has it; ``image`` has a number in place of a name."""


class Content(NamedTuple):
    """What a panoptic COCO file holds."""

    categories: tuple[Category, ...]
    images: list[SegmentedImage]
    """The images that have an annotation, in the order of the file."""
    without: list[str]
    """Names of the images that have none."""
    faults: list[Fault]


@kept_while_unchanged
def read_categories(path: Path) -> tuple[Category, ...]:
    """Read the categories of a file, without parsing the rest of it where that is possible.

    Raises:
        NoData: if there is no file.
        UserError: if it can't be read, or a category has no name or id of its own.
    """
    try:
        entries = list(iterate_list(path, 'categories'))
    except FileNotFoundError:
        raise NoData(f'no annotations at {path}') from None
    except (LookupError, OSError, ValueError):
        entries = []
    if not entries or not all(isinstance(one, dict) for one in entries):
        entries = read_lists(path)['categories']  # in another encoding, or a fault that is named here
    return _check_categories(path, entries)


def _check_categories(path: Path, entries: Iterable[Mapping[str, Any]]) -> tuple[Category, ...]:
    found: dict[int, Category] = {}
    for entry in entries:
        number, name = read_integer(entry.get('id')), entry.get('name')
        if not isinstance(name, str) or not name:
            raise UserError(f'{path}: a category has no name: give each one')
        if number is None or number in found:
            raise UserError(
                f'{path}: id {quoted(entry.get("id"))} of category {quoted(name)}: give it a number of its own'
            )
        found[number] = Category(number, name, entry.get('isthing'))
    names = [one.name for one in found.values()]
    if len(names) >= UNLABELED or len(set(names)) < len(names):
        raise UserError(f'{path} has {len(names)} categories, {len(set(names))} by name: at most 254, each once')
    return tuple(found.values())


def read_content(files: PanopticFiles, skips_bad: bool = False) -> Content:
    """Read the content of a panoptic COCO file.

    Args:
        files: the files of the split.
        skips_bad: leave out images that can't be opened and whose size the file lacks.

    Raises:
        UserError: for a file that can't be read, or is not in COCO's panoptic format; for an image that is not in the
            folder, or has several annotations; for a PNG file that is not there; for a segment of an unknown category,
            or whose id is not one of its own from 1 to 2**24 - 1.
    """
    path = files.annotations
    with reading(path):
        lists = read_lists(path)
    categories = _check_categories(path, lists['categories'])
    place_of = {one.id: place for place, one in enumerate(categories)}
    entries = lists['images']
    keys = [_key(entry.get('id')) for entry in entries]
    if len(set(keys)) < len(keys):
        raise UserError(f'{path}: images have the same id: give each one of its own')
    are_numbers = all(type(key) is int for key in keys)
    number_of = {key: key if are_numbers else place for place, key in enumerate(keys, 1)}  # Cityscapes has names
    own_ids: dict[int, int | str] = {}
    for entry, key in zip(entries, keys, strict=True):
        own_ids[number_of[key]] = entry['id'] if isinstance(entry.get('id'), str) else key
        entry['id'] = number_of[key]
    images = read_images(path, files.images, entries, skips_bad)
    annotation_of, strays = {}, []
    for annotation in lists['annotations']:
        number = number_of.get(_key(annotation.get('image_id')))
        if number is None:
            strays.append(str(annotation.get('file_name')))
            continue
        number = images.merged.get(number, number)
        if number in annotation_of:
            raise UserError(f'{path}: image {quoted(annotation.get("image_id"))} has several annotations: keep one')
        annotation_of[number] = annotation
    found = [(image, annotation_of[image['id']]) for image in images.images if image['id'] in annotation_of]
    pngs = _find_pngs(files, [_png_of(path, image, annotation) for image, annotation in found])
    segmented = [
        SegmentedImage(image, png, _segments_of(path, annotation, place_of), own_ids[image['id']])
        for (image, annotation), png in zip(found, pngs, strict=True)
    ]
    stray = [Fault('left out: of an image that the file lacks', strays, 'annotation', WARNING)] if strays else []
    without = [image['file_name'] for image in images.images if image['id'] not in annotation_of]
    return Content(categories, segmented, without, [*images.faults, *stray])


def _key(value: Any) -> Any:
    """Return an id, of which 7 and "7" are the same, for lookups; of any other value its text."""
    number = read_integer(value)
    return repr(value) if number is None else number


def _png_of(path: Path, image: CocoImage, annotation: Mapping[str, Any]) -> str:
    name = annotation.get('file_name', f'{os.path.splitext(image["file_name"])[0]}.png')
    if not isinstance(name, str):
        raise UserError(f'{path}: the annotation of {image["file_name"]} has the file_name {quoted(name)}: correct it')
    return name


def _find_pngs(files: PanopticFiles, names: Sequence[str]) -> list[str]:
    found = Folder(files.segments).match(names)
    absent = [name for name in names if found[name] is None]
    if absent:
        raise UserError(
            f'{files.annotations}: {count_of(absent, "PNG file")} of {len(names)} not in {files.segments} '
            f'({shortened(absent, 3)}): get them, or remove their annotations'
        )
    return [os.path.join(files.segments, str(found[name])) for name in names]


def _segments_of(path: Path, annotation: Mapping[str, Any], place_of: Mapping[int, int]) -> list[ListedSegment]:
    entries, png = annotation.get('segments_info'), annotation.get('file_name')
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        raise UserError(f'{path}: segments_info of {png} is not a list of objects')
    found: dict[int, ListedSegment] = {}
    for entry in entries:
        number, category = read_integer(entry.get('id')), read_integer(entry.get('category_id'))
        what = f'{path}: segment {quoted(entry.get("id"))} of {png}'
        if category is None or category not in place_of:
            raise UserError(f'{what} has the unknown category {quoted(entry.get("category_id"))}: correct it')
        if number is None or not 1 <= number <= MOST_SEGMENTS:
            raise UserError(f'{what}: give it an id from 1 to {MOST_SEGMENTS}, that of its color')
        if number in found:
            raise UserError(f'{what} is listed twice: give each segment an id of its own')
        found[number] = ListedSegment(number, place_of[category], entry)
    return list(found.values())
