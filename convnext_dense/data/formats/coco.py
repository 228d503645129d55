"""COCO files: finding them and their image folders, and reading them."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from ...errors import NoData, UserError
from ...io.json_lists import iterate_list
from ...io.progress import busy
from ..image_files import is_stray
from ..layouts import COCO, COCO_FILES, hint
from ..text import shortened
from .base import Content, Format, Source
from .file_names import Folder

IMAGE_FOLDERS = ('{0}2017', '{0}', 'images/{0}2017', 'images/{0}', 'images', '.')
EXPLICIT = '--data TRAIN.json:IMAGES,VAL.json:IMAGES'
NAME_THEM = f'name other files with {EXPLICIT}, or take --data sample, which needs no data'
LAYOUTS = (
    'expected annotations/instances_{train,val}2017.json with images in {train,val}2017/, or '
    '{train,valid}/_annotations.coco.json with images beside it'
)
EXPECTED = f'{LAYOUTS}; {NAME_THEM}'


SHOWN_BYTES = 50_000_000
"""Size of a file from which it is shown that it is read."""


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
            return find_coco(str(root))
        except NoData:
            return None

    def read_categories(self, source: Source) -> list[dict]:
        """Read the categories without parsing the rest of the file, since COCO's has half a gigabyte."""
        path = source.annotations
        try:
            entries = list(iterate_list(path, 'categories'))
        except FileNotFoundError:
            raise NoData(f'no annotations at {path}: {EXPECTED}') from None
        except (LookupError, OSError, ValueError):
            entries = []
        return entries or _read_json(path, ())['categories']  # in another encoding, or a fault that is reported here

    def read(self, source: Source, needs_annotations: bool = True) -> Content:
        optional = () if needs_annotations else ('categories', 'annotations')
        with _shown(source.annotations):
            content = _read_json(source.annotations, optional)
        return Content(content['images'], content['annotations'], content['categories'])

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


def _shown(path: Path) -> AbstractContextManager:
    """Show that a large file is read."""
    size = path.stat().st_size if path.is_file() else 0
    return nullcontext() if size < SHOWN_BYTES else busy(f'reading {path.name} ({size / 1e6:,.0f} MB)')


def find_coco(root: str, single: str = 'val') -> dict[str, Source]:
    """Find the COCO files for ``'train'``, ``'val'`` or both.

    Args:
        root: a folder in COCO's own layout, in Roboflow's, or with one file ``annotations/*train*.json`` and one
            ``annotations/*val*.json``; or explicit files, ``TRAIN.json[:IMAGES],VAL.json[:IMAGES]``, where a single
            file is for ``single``. If no image folder is given, ``{train,val}2017``, ``{train,val}``,
            ``images/{train,val}2017``, ``images/{train,val}``, ``images`` and the root are searched for the first
            image, then the same folders next to the file. Files of a test split are for ``'val'`` if there are no
            others.
        single: the split that a single explicit file is for.

    Raises:
        NoData: if there are no COCO files.
        UserError: if several files may be meant, or the images are not found.
    """
    folder = Path(root)
    if '.json' in root and not folder.is_dir():
        return find_named(root, single)
    for layout in COCO_FILES:
        files = {split: file for split, patterns in layout.items() if (file := _first_match(folder, patterns))}
        if len(set(files.values())) < len(files):
            raise UserError(f'{files["train"]} may be for training or for validation: say which with {EXPLICIT}')
        if files:
            if 'val' in files and 'test' in str(files['val'].relative_to(folder)):
                logging.getLogger('mmengine').warning(f'{files["val"]} is taken for val')
            return {split: Source(file, _image_folder(file, split, folder)) for split, file in files.items()}
    raise NoData(f'no COCO data at {root}: {LAYOUTS}; {hint(root, COCO) or _other_files(folder) or NAME_THEM}')


def find_named(value: str, single: str) -> dict[str, Source]:
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
        sources[split] = Source(file, Path(part[2]) if part[2] else _image_folder(file, split, file.parent.parent))
    return sources


def _first_match(root: Path, patterns: Sequence[str]) -> Path | None:
    """Return the only file that fits the first pattern that any file fits, or None."""
    for pattern in patterns:
        files = sorted(file for file in root.glob(pattern) if not is_stray(file.name))
        if len(files) > 1:
            names = ', '.join(file.name for file in files)
            raise UserError(f'{len(files)} files match {root / pattern} ({names}): say which with {EXPLICIT}')
        if files:
            return files[0]
    return None


def _image_folder(annotations: Path, split: str, root: Path) -> Path:
    first = _first_image(annotations)
    names = [name.format(split) for name in IMAGE_FOLDERS]
    of_tests = [name.format('test') for name in IMAGE_FOLDERS if split == 'val' and '{0}' in name]
    folders = [parent / name for parent in (root, annotations.parent) for name in [*names, *of_tests]]
    for folder in folders:
        if (folder / first).is_file():
            return folder
    for folder in folders:
        if Folder(folder).match([first])[first] is not None:
            return folder
    raise UserError(
        f'{first}, the first image in {annotations}, is not in {root} nor in its {", ".join(names[:-1])}: '
        f'name the folder with {EXPLICIT}'
    )


def _first_image(annotations: Path) -> str:
    """Read the first file name without parsing the whole file, since COCO's has half a gigabyte."""
    try:
        images = iterate_list(annotations, 'images')
        return next(image['file_name'] for image in images if isinstance(image.get('file_name'), str))
    except (LookupError, OSError, ValueError, StopIteration):
        pass
    try:  # in another encoding than UTF-8
        images = json.loads(annotations.read_bytes())['images']
        return next(image['file_name'] for image in images if isinstance(image['file_name'], str))
    except (LookupError, OSError, TypeError, ValueError, RecursionError, StopIteration):
        raise UserError(f'{annotations} names no images: it is damaged, or not a COCO file') from None


def _other_files(root: Path) -> str:
    """Return advice for JSON files whose names don't show their split, or an empty string."""
    found = (file for folder in (root, root / 'annotations') for file in folder.glob('*.json'))
    files = sorted(file for file in found if not is_stray(file.name))
    if not files:
        return ''
    return f'{root} holds {shortened([str(file.relative_to(root)) for file in files], 3)}: say which with {EXPLICIT}'


def _read_json(path: Path, optional: Collection[str]) -> dict[str, list[Any]]:
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise UserError(f'annotations {path} cannot be read ({error.strerror})') from None
    except (ValueError, RecursionError) as error:  # not JSON, or not even text
        raise UserError(f'annotations {path} are not JSON ({error}): get or write the file again') from None
    for key in ('categories', 'images', 'annotations'):
        items = content.get(key, []) if isinstance(content, dict) else None
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise UserError(f"{path} is not in COCO's format: its {key} must be a list of objects")
        if not items and key not in optional:
            raise UserError(f'{path} has no {key}')
        content[key] = items
    return content
