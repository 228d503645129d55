"""Find COCO files and their images, in the layout of any tool."""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ...errors import NoData, UserError
from ...io.json_lists import iterate_list
from ..image_files import is_stray
from ..layouts import COCO, COCO_PATTERNS, above, hint
from ..text import shortened
from .annotation_files import Places, assign_splits, list_places
from .base import WHOLE, Source, take_test_for_val
from .image_folder import IMAGE_FOLDERS, find_image_folder
from .label_studio import describe_label_studio

EXPLICIT = '--data TRAIN.json:IMAGES,VAL.json:IMAGES'
NAME_THEM = f'name other files with {EXPLICIT}, or take --data sample, which needs no data'
LAYOUTS = (
    'annotations/instances_{train,val}2017.json with images in {train,val}2017/, or '
    '{train,valid}/_annotations.coco.json with images beside it, or other COCO files whose name or folder tells the '
    'split, or a single one'
)
EXPECTED = f'expected {LAYOUTS}; {NAME_THEM}'
OTHER_TRUTH = re.compile(r'(captions|person_keypoints|panoptic|stuff|image_info|densepose)', re.IGNORECASE)
"""Beginnings of the names of COCO's files of other annotations, which are beside those of instances."""
LOOKED_AT = 4096
"""Bytes of a file that tell whether it begins as COCO's."""
COMPARED_IMAGES = 8
"""Number of images of a file that are looked for in each folder."""


def find_splits(root: Path) -> dict[str, Source]:
    """Find the COCO files in a folder.

    A file of JSON is a COCO file if it has a list of images, and annotations or categories. Files are sought in
    ``annotations`` and the like, in folders of a split, and in the root. The split is told by the name of the file, or
    else of its folder, in any case; COCO's own ``instances_train2017.json`` come before others.

    Returns:
        The sources of ``'train'``, ``'val'`` and ``'test'``, or of :data:`~.base.WHOLE` alone.

    Raises:
        NoData: if there are no COCO files, or the folder is a part of a data set.
        UserError: if several files may be meant, or the images are not found.
    """
    places = [[file for file in place if _is_coco(file, root)] for place in list_places(root, '.json')]
    files = assign_splits(
        root, _instances(places), 'COCO files', _explicit, lambda split: f'instances_{split}2017.json'
    )
    if not files:
        raise NoData(
            f'no COCO data at {root}: expected {LAYOUTS}; {hint(root, COCO) or other_files(root) or NAME_THEM}'
        )
    if WHOLE in files and (advice := above(root, COCO)):
        raise NoData(f'no COCO data at {root}: {advice}')
    return {split: Source(file, _image_folder(file, split, root, root)) for split, file in files.items()}


def find_coco(root: str, single: str = 'val') -> dict[str, Source]:
    """Find the COCO files for ``'train'``, ``'val'`` or both.

    Args:
        root: a folder, see :func:`find_splits`; or explicit files, ``TRAIN.json[:IMAGES],VAL.json[:IMAGES]``, where a
            single file is for ``single``. If no image folder is given, see :func:`.image_folder.find_image_folder`.
            Files of a test split are for ``'val'`` if there are no others.
        single: the split that a single file is for.

    Raises:
        NoData: if there are no COCO files.
        UserError: if several files may be meant, or the images are not found.
    """
    folder = Path(root)
    if are_coco_files(root):
        return find_named(root, single)
    sources = find_splits(folder)
    if WHOLE in sources:
        return {single: sources[WHOLE]}
    return take_test_for_val(sources)


def are_coco_files(value: str) -> bool:
    """Check whether a value for ``--data`` names COCO files, rather than a folder."""
    return '.json' in value and not Path(value).is_dir()


def find_named(value: str, single: str) -> dict[str, Source]:
    """Find explicit COCO files and their images; see :func:`find_coco`."""
    parts = [re.fullmatch(r'(.+?\.json)(?::(.+))?', part.strip()) for part in value.split(',')]
    if len(parts) > 2:
        raise UserError(f'{len(parts)} COCO files in {value}: write {EXPLICIT}')
    sources = {}
    for split, part in zip(('train', 'val') if len(parts) == 2 else (single,), parts, strict=True):
        if part is None:
            raise UserError(f'no COCO files can be read from {value}: write {EXPLICIT}')
        file = Path(part[1])
        if not file.is_file():
            raise NoData(f'no annotations at {file}: write {EXPLICIT}')
        folder = Path(part[2]) if part[2] else _image_folder(file, split, file.parent.parent, file.parent)
        sources[split] = Source(file, folder)
    return sources


def image_name(image: Mapping[str, Any]) -> str | None:
    """Return the file of an image: ``file_name``, or else the last folder and name of LVIS' ``coco_url``.

    For example ``train2017/000000391895.jpg``: some images of LVIS' validation split are in COCO's training split.
    """
    if isinstance(image.get('file_name'), str):
        return image['file_name']
    try:
        return '/'.join(urlsplit(image['coco_url']).path.split('/')[-2:]).strip('/') or None
    except (KeyError, AttributeError, TypeError, ValueError):
        return None


def _is_coco(path: Path, root: Path) -> bool:
    """Check whether a JSON file is COCO's, without parsing it, since COCO's has half a gigabyte.

    One that can't be told, since it is damaged, is if its name is that of a COCO file.
    """
    has_lists = _has_coco_lists(path)
    inside = path.relative_to(root)
    return has_lists if has_lists is not None else any(inside.match(pattern) for pattern in COCO_PATTERNS)


def _has_coco_lists(path: Path) -> bool | None:
    """Check for a list of images beside other lists; None if there may be one in a damaged file."""
    try:
        with open(path, 'rb') as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            start, end = text[:64].lstrip(), text[-64:].rstrip()
            if start.startswith((b'\xff\xfe', b'\xfe\xff')) or b'\0' in start:  # in another encoding
                keys = _keys_of(bytes(text))
                return keys if keys is None else 'images' in keys and bool(keys & {'annotations', 'categories'})
            if not start.removeprefix(b'\xef\xbb\xbf').lstrip().startswith(b'{'):
                return False
            others = text.find(b'"annotations"') >= 0 or text.find(b'"categories"') >= 0
            if text.find(b'"images"') < 0:
                return None if others or not end.endswith(b'}') else False
        first = next(iterate_list(path, 'images'), None)
        return True if others and isinstance(first, dict) else None
    except LookupError:
        return False
    except (OSError, ValueError):
        return None


def _keys_of(text: bytes) -> set[str] | None:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return set(content) if isinstance(content, dict) else set()


def _instances(places: Places) -> Places:
    """Leave out COCO's files of other annotations, unless there are no others."""
    instances = [[file for file in place if not OTHER_TRUTH.match(file.name)] for place in places]
    return instances if any(instances) else places


def _explicit(files: Iterable[Path]) -> str:
    files = list(files)
    if len(files) != 2:
        return f'say which with {EXPLICIT}'
    return f'say which with --data {",".join(f"{file}:IMAGES" for file in files)}, training first'


def _image_folder(annotations: Path, split: str, root: Path, below: Path) -> Path:
    names = _first_images(annotations)
    try:
        folder = find_image_folder(names, annotations, split, root, below)
    except UserError as error:
        raise UserError(f'{error}: name the folder with {EXPLICIT}') from None
    others = iter(names[1:])
    while folder is None and (name := next(others, None)) is not None:  # the first images are missing
        with suppress(UserError):
            folder = find_image_folder([name], annotations, split, root, below)
    if folder is not None:
        return folder
    known = ', '.join(name.format(split) for name in IMAGE_FOLDERS[:-1])
    raise UserError(
        f'{names[0]}, the first image in {annotations}, is not in {root} nor in its {known}: '
        f'{hint(root, COCO) or f"name the folder with {EXPLICIT}"}'
    )


def _first_images(annotations: Path) -> list[str]:
    """Read the first names of images without parsing the whole file."""
    try:
        names = list(islice(filter(None, map(image_name, iterate_list(annotations, 'images'))), COMPARED_IMAGES))
    except (LookupError, OSError, ValueError, AttributeError):
        names = []
    if names:
        return names
    try:  # in another encoding than UTF-8
        images = json.loads(annotations.read_bytes())['images']
        names = list(islice(filter(None, map(image_name, images)), COMPARED_IMAGES))
    except (LookupError, OSError, TypeError, ValueError, RecursionError, AttributeError):
        pass
    if not names:
        if said := describe_label_studio(annotations):
            raise UserError(said)
        raise UserError(f'{annotations} names no images: it is damaged, or not a COCO file')
    return names


def other_files(root: Path) -> str:
    """Return advice for JSON files whose names don't show their split, or an empty string."""
    found = (file for folder in (root, root / 'annotations') for file in folder.glob('*.json'))
    files = sorted(file for file in found if not is_stray(file.name))
    if not files:
        return ''
    if len(files) == 1 and (damage := _describe_damage(files[0])):
        return damage
    return f'{root} holds {shortened([str(file.relative_to(root)) for file in files], 3)}: say which with {EXPLICIT}'


def _describe_damage(file: Path) -> str:
    """Describe why a file that begins as COCO's is none, or return an empty string."""
    try:
        with open(file, 'rb') as content:
            start = content.read(LOOKED_AT).removeprefix(b'\xef\xbb\xbf').lstrip()
        if start.startswith(b'[') and {b'"image_id"', b'"category_id"'} <= set(re.findall(rb'"\w+"', start)):
            return (
                f'{file} is a list of annotations or results, not a COCO file, which has images, annotations and '
                'categories: get the whole file'
            )
        if not re.match(rb'{\s*"(images|annotations|categories|info|licenses)"\s*:', start):
            return ''
        json.loads(file.read_bytes())
    except json.JSONDecodeError as error:
        return f'{file} begins as a COCO file and is damaged, after {error.pos} characters ({error.msg}): get it again'
    except (OSError, ValueError, RecursionError) as error:
        return f'{file} begins as a COCO file and cannot be read ({type(error).__name__}): get it again'
    return ''
