"""Read the images of a COCO file: their ids, files and sizes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import UserError
from ...io.coco_format import CocoImage
from ...io.image_size import ImageSize
from ..check.records import NOTE
from ..formats.coco import EXPLICIT
from ..formats.faults import Fault, in_brackets
from ..formats.file_names import Folder
from ..formats.values import read_integer
from ..image_scan import read_header
from ..text import count_of, shortened
from .categories import not_integers, read_ids

UNOPENED = 'left out: it cannot be opened, so that its size is unknown'
UNSIZED = 'fixed: without height and width, which are read from the file'


class CocoImages(NamedTuple):
    """Images of a COCO file; a file that is listed several times is one image."""

    images: list[CocoImage]
    merged: dict[int, int]
    """Id of the image by the id of an entry that names the same file."""
    faults: list[Fault]
    unopened: set[int]
    """Ids of images that are left out, since they have no size and can't be opened."""


def read_images(path: Path, folder: Path, entries: list[Any], skips_bad: bool = False) -> CocoImages:
    """Read the ``images`` of a file, and find their files.

    An absent or impossible ``height`` or ``width`` is read from the file, upright by its EXIF orientation.

    Args:
        path: the COCO file.
        folder: the folder of the images.
        entries: its ``images``; changed in place.
        skips_bad: leave out images whose size is needed and that can't be opened.

    Raises:
        UserError: for an id that is missing or that several images have; for an image without a file name, or whose
            file is not in the folder; for a file that is listed with several sizes; if a size is needed from a file
            that can't be read, unless others are left.
    """
    ids = read_ids(path, 'images', entries)
    nameless = [number for number, e in zip(ids, entries, strict=True) if not isinstance(e.get('file_name'), str)]
    if nameless:
        where = in_brackets('image', nameless)
        raise UserError(f'{path}: {count_of(nameless, "image")} without file_name {where}')
    rewritten = Fault('fixed: id is not an integer', not_integers(ids, entries), 'image', NOTE)
    for number, entry in zip(ids, entries, strict=True):
        entry['id'] = number
    faults = [rewritten, _find_files(path, folder, entries)]
    found, unopened = _read_sizes(path, folder, entries, skips_bad)
    faults += found
    images, merged, fault = _merge(path, [entry for entry in entries if entry['id'] not in unopened])
    return CocoImages(images, merged, [f for f in (*faults, fault) if f.ids], unopened)


def _find_files(path: Path, folder: Path, entries: list[Any]) -> Fault:
    """Set each ``file_name`` to the file that it names."""
    listed = Folder(folder)
    files = listed.match((entry['file_name'] for entry in entries), search=True)
    missing = [entry['file_name'] for entry in entries if files[entry['file_name']] is None]
    if missing:
        near = listed.nearest(missing[0])
        raise UserError(
            f'{path}: {count_of(missing, "image")} of {len(entries)} not in {folder} ({shortened(missing, 3)}): '
            f'get or remove them, or name another folder with {EXPLICIT}'
            + (f'; the nearest name there is {near}' if near else '')
        )
    renamed = []
    for entry in entries:
        file = files[entry['file_name']]
        if file != entry['file_name']:
            renamed.append(entry['id'])
            entry['file_name'] = file
    return Fault('fixed: file_name written in another way than the file', renamed, 'image', NOTE)


def _read_sizes(path: Path, folder: Path, entries: list[Any], skips_bad: bool) -> tuple[list[Fault], set[int]]:
    """Set each ``height`` and ``width`` to an integer of pixels, and return the ids of images where none is known."""
    unsized, rewritten, unopened = [], [], {}
    for entry in entries:
        size = [read_integer(entry.get(side)) for side in ('height', 'width')]
        if any(side is None or side <= 0 for side in size):
            unsized.append(entry['id'])
            header = read_header(os.path.join(folder, entry['file_name']))
            if isinstance(header, str):
                unopened[entry['id']] = f'{entry["file_name"]}: {header}'
                continue
            size = list(header.upright_size)
        elif type(entry['height']) is not int or type(entry['width']) is not int:
            rewritten.append(entry['id'])
        entry['height'], entry['width'] = size
    lines = list(unopened.values())
    if unopened and (not skips_bad or len(unopened) == len(entries)):
        skip = '' if skips_bad else ', or leave them out with --on-bad-image skip'
        raise UserError(
            f'{path}: {count_of(lines, "image")} that cannot be opened, so that the size is unknown '
            f'({shortened(lines, 3)}): get or remove them{skip}'
        )
    faults = [
        Fault('fixed: height or width is not an integer', rewritten, 'image', NOTE),
        Fault(UNSIZED, [number for number in unsized if number not in unopened], 'image', NOTE),
        Fault(UNOPENED, lines, 'image'),
    ]
    return faults, set(unopened)


def _merge(path: Path, entries: list[Any]) -> tuple[list[CocoImage], dict[int, int], Fault]:
    """Merge entries that name the same file."""
    first: dict[str, Any] = {}
    of_id: dict[int, str] = {}
    merged: dict[int, int] = {}
    repeated, resized, clashing = [], [], []
    for entry in entries:
        file = os.path.normpath(entry['file_name'])
        kept = first.setdefault(file, entry)
        if of_id.setdefault(entry['id'], file) != file:
            clashing.append(entry['id'])
        if kept is not entry:
            repeated.append(entry['id'])
            merged[entry['id']] = kept['id']
            if ImageSize(entry['height'], entry['width']) != ImageSize(kept['height'], kept['width']):
                resized.append(entry['id'])
    if clashing:
        where = in_brackets('image', list(dict.fromkeys(clashing)))
        raise UserError(f'{path}: images with the same id {where}: give each its own')
    if resized:
        raise UserError(
            f'{path}: {count_of(resized, "image")} with the file of another one, and another size '
            f'{in_brackets("image", resized)}: correct file_name, or height and width'
        )
    fault = Fault('fixed: with the file of another one, taken as one image', repeated, 'image')
    return list(first.values()), {a: b for a, b in merged.items() if a != b}, fault
