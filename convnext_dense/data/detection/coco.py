"""Read COCO files of any origin: fix or drop faulty annotations, and raise errors for anything ambiguous."""

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
from ...io.coco_format import CocoAnnotation, CocoCategory, CocoImage
from ...io.image_size import ImageSize
from ..text import count_of, shortened
from .coco_clean import clean_annotations
from .find import EXPECTED, EXPLICIT, CocoPaths


class AnnotationFault(NamedTuple):
    """A fault of some annotations in a file."""

    file: str
    """The file's name, as in :class:`CocoData`."""
    message: str
    """The action and the fault, such as ``'dropped: box of zero area'``."""
    annotation_ids: list[int]


class CocoData(NamedTuple):
    """Content of a COCO file without unusable annotations; see :func:`read_coco`."""

    name: str
    """``'train2017'`` for ``instances_train2017.json``."""
    classes: tuple[str, ...]
    """Names of the categories in the order of the file; labels are indices into this list."""
    category_ids: tuple[int, ...]
    """Ids of the categories, which may have gaps."""
    images: list[CocoImage]
    annotations: dict[int, list[CocoAnnotation]]
    """Annotations by image id; each has ``area`` and ``iscrowd``, and ``segmentation`` if there are masks."""
    has_masks: bool
    """True if all annotations have masks, False if none has."""
    faults: list[AnnotationFault]


class CocoHeader(NamedTuple):
    """Name and classes of a COCO file."""

    name: str
    classes: tuple[str, ...]


def read_coco_header(paths: CocoPaths) -> CocoHeader:
    """Read the classes without parsing the rest of the file, since COCO's has half a gigabyte.

    Raises:
        NoData: if the file does not exist.
        UserError: if it has no categories.
    """
    path = paths.annotations
    try:
        with open(path, 'rb') as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            for match in re.finditer(rb'"categories"\s*:\s*(?=\[)', text):
                end = text.find(b']', match.end()) + 1
                while end:  # a name may contain a bracket
                    with contextlib.suppress(ValueError):
                        categories = json.loads(text[match.end() : end])
                        return CocoHeader(_name(path), tuple(str(c['name']) for c in categories))
                    end = text.find(b']', end) + 1
    except FileNotFoundError:
        raise NoData(f'no annotations at {path}: {EXPECTED}') from None
    except (OSError, ValueError, TypeError, KeyError):
        pass  # read_coco reports the fault
    read_coco(paths)
    raise UserError(f"{path} is not in COCO's format")


def read_coco(paths: CocoPaths, needs_annotations: bool = True) -> CocoData:
    """Read a COCO file; faulty annotations are fixed or dropped, and listed in ``faults``.

    *Dropped* are annotations whose box is missing, malformed, non-finite, of zero or negative width or height, or
    completely outside the image; and, in a file with masks, those whose mask is missing, is a broken RLE (its size
    differs from the image, or its runs don't cover it exactly), or has no polygon with three points.

    *Fixed*: a box that extends beyond the image by more than a pixel is clipped (COCO's own do by less); a polygon
    with fewer than three points, an odd number of coordinates, or a non-finite coordinate is removed; a missing
    ``area`` is computed from the mask, or from the box if there are no masks; if none of the file's masks is usable,
    all are removed. A missing ``iscrowd`` is 0, which is no fault. The key ``ignore`` is listed and has no effect, as
    in pycocotools.

    Raises:
        UserError: for a file that can't be read, is not JSON or not in COCO's format; without categories, images or
            usable annotations; for ids that are not integers or not unique; for a missing or repeated category name;
            for an annotation of an unknown category or image; for an image without file name, height or width, or
            that is not in the folder.
    """
    path, folder = paths
    content = _read_json(path, () if needs_annotations else ('categories', 'annotations'))
    categories, images, annotations = (content[key] for key in ('categories', 'images', 'annotations'))
    _check_categories(path, categories)
    _check_images(path, folder, images)
    sizes = {image['id']: ImageSize(image['height'], image['width']) for image in images}
    category_ids = tuple(category['id'] for category in categories)
    _check_references(path, annotations, 'category', set(category_ids))
    _check_references(path, annotations, 'image', sizes.keys())

    cleaned = clean_annotations(annotations, sizes)
    name = _name(path)
    faults = [AnnotationFault(name, message, ids) for message, ids in cleaned.faults.items()]
    if annotations and not any(cleaned.by_image.values()):
        raise UserError(f'{path} has no annotation that can be used: {"; ".join(describe_faults(faults))}')
    classes = tuple(category['name'] for category in categories)
    return CocoData(name, classes, category_ids, images, cleaned.by_image, cleaned.has_masks, faults)


def describe_faults(faults: Iterable[AnnotationFault]) -> list[str]:
    """Describe each fault in one line.

    For example ``train2017: 3 annotations dropped: box of zero area (annotation ids 17, 23, 99)``.
    """
    return [
        f'{fault.file}: {count_of(fault.annotation_ids, "annotation")} {fault.message} '
        f'{_ids("annotation", fault.annotation_ids)}'
        for fault in faults
    ]


def check_same_categories(train: CocoData | CocoHeader, val: CocoData | CocoHeader) -> None:
    """Check that both files have the same category names in the same order, since labels are indices into them.

    Raises:
        UserError: if they differ; the message has both lists from the first difference on.
    """
    if train.classes != val.classes:
        pairs = enumerate(zip_longest(train.classes, val.classes))
        same = next(index for index, (a, b) in pairs if a != b)
        ours, theirs = (shortened(coco.classes[same:], 10) or 'no more' for coco in (train, val))
        raise UserError(
            f'the categories differ from number {same + 1} on: {train.name} has {ours}; {val.name} has {theirs}: '
            'list the same ones in the same order in both files'
        )


def _name(path: Path) -> str:
    return path.parent.name if path.name == '_annotations.coco.json' else path.stem.removeprefix('instances_')


def _read_json(path: Path, optional: Collection[str]) -> dict[str, list[Any]]:
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise UserError(f'annotations {path} cannot be read ({error.strerror})') from None
    except (ValueError, RecursionError) as error:  # not JSON, or not even text
        raise UserError(f'annotations {path} are not JSON ({error}): get or write the file again') from None
    for key, kind in (('categories', 'category'), ('images', 'image'), ('annotations', 'annotation')):
        items = content.get(key, []) if isinstance(content, dict) else None
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise UserError(f"{path} is not in COCO's format: its {key} must be a list of objects")
        if not items and key not in optional:
            raise UserError(f'{path} has no {key}')
        content[key] = items
        ids = [item.get('id') for item in items]
        for place, number in enumerate(ids, 1):
            if type(number) is not int:
                raise UserError(f'{path}: number {place} of its {key} has the id {number!r}: make it an integer')
        if len(set(ids)) < len(ids):
            raise UserError(f'{path}: {key} with the same id {_ids(kind, _repeated(ids))}: give each its own')
    return content


def _check_categories(path: Path, categories: list[CocoCategory]) -> None:
    nameless = [c['id'] for c in categories if not isinstance(c.get('name'), str)]
    if nameless:
        raise UserError(f'{path}: categories without a name {_ids("category", nameless)}: give them one')
    repeated = _repeated(c['name'] for c in categories)
    if repeated:
        raise UserError(f'{path}: categories with the same name ({shortened(repeated, 5)}): merge or rename them')


def _check_images(path: Path, folder: Path, images: list[CocoImage]) -> None:
    nameless = [i['id'] for i in images if not isinstance(i.get('file_name'), str)]
    if nameless:
        raise UserError(f'{path}: {count_of(nameless, "image")} without file_name {_ids("image", nameless)}')
    unsized = [i['id'] for i in images if not (_is_size(i.get('height')) and _is_size(i.get('width')))]
    if unsized:
        raise UserError(
            f'{path}: {count_of(unsized, "image")} without height and width {_ids("image", unsized)}: '
            'write them, as integers, in pixels'
        )
    missing = _missing(folder, [i['file_name'] for i in images])
    if missing:
        raise UserError(
            f'{path}: {count_of(missing, "image")} of {len(images)} not in {folder} ({shortened(missing, 3)}): '
            f'get or remove them, or name another folder with {EXPLICIT}'
        )


def _check_references(path: Path, annotations: list[CocoAnnotation], kind: str, known: Collection[int]) -> None:
    unresolved = [a for a in annotations if type(number := a.get(f'{kind}_id')) is not int or number not in known]
    if unresolved:
        unknown = list(dict.fromkeys(repr(a.get(f'{kind}_id')) for a in unresolved))
        raise UserError(
            f'{path}: {count_of(unresolved, "annotation")} with unknown {kind}_id {shortened(unknown, 5)} '
            f'{_ids("annotation", [a["id"] for a in unresolved])}: correct or remove them'
        )


def _is_size(value: Any) -> bool:
    return type(value) is int and value > 0


def _missing(folder: Path, names: Iterable[str]) -> list[str]:
    """List the files that don't exist; listing each folder once is much faster than checking each file."""
    paths = [os.path.split(name) for name in names]
    existing: dict[str, set[str]] = {}
    for parent in {parent for parent, _ in paths}:
        try:
            existing[parent] = set(os.listdir(folder / parent))
        except OSError:
            existing[parent] = set()
    return [os.path.join(parent, name) for parent, name in paths if name not in existing[parent]]


def _repeated(values: Iterable) -> list:
    return [value for value, times in Counter(values).items() if times > 1]


def _ids(kind: str, ids: Sequence[int]) -> str:
    return f'({kind} id{"s" if len(ids) > 1 else ""} {shortened(ids)})'
