"""COCO files of any tool, and LVIS: reading them in the terms of COCO's own."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from ...errors import NoData, UserError
from ...io.json_lists import iterate_list
from ...io.progress import reading
from ..check.records import NOTE, WARNING
from ..text import quoted
from .base import Content, Format, Source
from .coco_find import EXPECTED, EXPLICIT, LAYOUTS, find_coco, find_splits, image_name
from .faults import Fault
from .json_files import read_json
from .values import read_integer

__all__ = ['EXPECTED', 'EXPLICIT', 'CocoFormat', 'check_kind', 'find_coco']

INSTANCES = 'take the file with instances of the same images, such as instances_train2017.json'
FEDERATED = 'neg_category_ids', 'not_exhaustive_category_ids'
"""Keys of LVIS' images: classes that are verified to be absent, and those of which not all objects are annotated."""


class CocoFormat(Format):
    """COCO files with instances."""

    name = 'coco'
    title = 'COCO'
    expected = LAYOUTS
    lists_images = False

    def find(self, root: Path) -> dict[str, Source] | None:
        if not root.is_dir():  # explicit files are for any split
            return None
        try:
            return find_splits(root)
        except NoData:
            return None

    def read_categories(self, source: Source) -> list[dict]:
        """Read the categories without parsing the rest of the file, since COCO's has half a gigabyte."""
        path = source.annotations
        try:
            entries = list(iterate_list(path, 'categories'))
            root = _find_root(entries)
            if root is not None and not _is_used(iterate_list(path, 'annotations')):
                entries.remove(root)
        except FileNotFoundError:
            raise NoData(f'no annotations at {path}: {EXPECTED}') from None
        except (LookupError, OSError, ValueError, AttributeError):
            entries = []
        if entries:
            return entries
        content = _read_json(path, ())  # in another encoding, or a fault that is reported here
        _drop_root(content)
        return content['categories']

    def read(self, source: Source, needs_annotations: bool = True) -> Content:
        with reading(source.annotations):
            content = _read_json(source.annotations, () if needs_annotations else ('categories', 'annotations'))
        faults = [*_drop_root(content), *_name_images(content['images']), *_tell_federated(content['images'])]
        return Content(content['images'], content['annotations'], content['categories'], faults=faults)

    def files(self, source: Source) -> Iterator[tuple[str, os.stat_result]]:
        if source.annotations.is_file():
            yield str(source.annotations), source.annotations.stat()

    def has_masks(self, source: Source) -> bool:
        try:
            return any(
                annotation.get('segmentation') for annotation in iterate_list(source.annotations, 'annotations')
            )
        except (LookupError, OSError, ValueError, AttributeError):
            return super().has_masks(source)


def check_kind(path: Path) -> None:
    """Check that a file has instances, by its first annotation.

    Raises:
        UserError: for one of captions or of panoptic masks.
    """
    first: list[Any] = []
    with suppress(LookupError, OSError, ValueError):  # faults that are named where it is read
        first = list(islice(iterate_list(path, 'annotations'), 1))
    _check_kind(path, [one for one in first if isinstance(one, dict)])


def _read_json(path: Path, optional: Collection[str]) -> dict[str, list[Any]]:
    content = read_json(path)
    for key in ('categories', 'images', 'annotations'):
        items = content.get(key, []) if isinstance(content, dict) else None
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise UserError(f"{path} is not in COCO's format: its {key} must be a list of objects")
        content[key] = items
    _check_kind(path, content['annotations'])
    for key in ('categories', 'images', 'annotations'):
        if not content[key] and key not in optional:
            raise UserError(f'{path} has no {key}')
    return content


def _check_kind(path: Path, annotations: Sequence[dict]) -> None:
    """Raise a UserError for COCO's files without instances."""
    for annotation in annotations[:1]:
        if 'caption' in annotation and 'category_id' not in annotation:
            raise UserError(f'{path} has captions of images, not objects: {INSTANCES}')
        if 'segments_info' in annotation:
            raise UserError(
                f'{path} has segments of panoptic masks, not objects with boxes: {INSTANCES}, or a config for '
                'panoptic segmentation'
            )


def _find_root(categories: Sequence[Any]) -> Any:
    """Return the category that Roboflow adds as the group of all others, or None.

    It has the id 0 and no group, and its name is the ``supercategory`` of all others.
    """
    roots = [one for one in categories if one.get('id') == 0 and one.get('supercategory') == 'none']
    if len(roots) != 1 or len(categories) < 2:
        return None
    others = [one for one in categories if one is not roots[0]]
    return roots[0] if all(one.get('supercategory') == roots[0].get('name') for one in others) else None


def _is_used(annotations: Iterable[Any]) -> bool:
    return any(read_integer(annotation.get('category_id')) == 0 for annotation in annotations)


def _drop_root(content: dict[str, list[Any]]) -> list[Fault]:
    """Leave out Roboflow's group of all categories, unless an object has it."""
    root = _find_root(content['categories'])
    if root is None or _is_used(content['annotations']):
        return []
    content['categories'] = [one for one in content['categories'] if one is not root]
    message = f"left out: {quoted(root['name'])}, Roboflow's group of the others, which no object has"
    return [Fault(message, [0], 'category', NOTE)]


def _name_images(images: Sequence[Any]) -> list[Fault]:
    """Set each absent ``file_name`` that another key tells."""
    named = []
    for place, image in enumerate(images, 1):
        if not isinstance(image.get('file_name'), str) and (name := image_name(image)):
            image['file_name'] = name
            named.append(_id_of(image, place))
    return [Fault('fixed: without file_name, which coco_url tells', named, 'image', NOTE)] if named else []


def _tell_federated(images: Sequence[Any]) -> list[Fault]:
    """Tell that not every class is annotated in each image, as in LVIS."""
    ids = [_id_of(image, place) for place, image in enumerate(images, 1) if any(image.get(k) for k in FEDERATED)]
    message = (
        'in which not all classes are annotated, as in LVIS: the others are learned as background there, and AP is '
        "measured by COCO's rule over all classes, which differs from LVIS' AP"
    )
    return [Fault(message, ids, 'image', WARNING)] if ids else []


def _id_of(image: Any, place: int) -> int:
    number = read_integer(image.get('id'))
    return place if number is None else number
