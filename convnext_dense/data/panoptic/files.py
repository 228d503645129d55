"""Find COCO's panoptic files: a JSON file of each split, the PNG files of its segments, and the images."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from ...errors import NoData, UserError
from ...io.json_lists import iterate_list
from ..formats.base import WHOLE
from ..formats.file_names import Folder
from ..formats.image_folder import IMAGE_FOLDERS
from ..formats.json_files import read_json
from ..formats.split_names import TRAIN, VAL
from ..image_files import is_stray
from ..layouts import PANOPTIC, hint

FORMAT = 'coco-panoptic'
"""Name of the format for ``--data-format`` and ``convert_data``."""
EXPLICIT = '--data TRAIN.json:IMAGES:SEGMENTS,VAL.json:IMAGES:SEGMENTS'
LAYOUT = (
    'annotations/panoptic_{train,val}2017.json with the PNG files in annotations/panoptic_{train,val}2017/ and the '
    'images in {train,val}2017/'
)
NAMED = re.compile(r'(.+?\.json)(?::([^:]+))?(?::([^:]+))?')


class PanopticFiles(NamedTuple):
    """The files of a split."""

    annotations: Path
    """The JSON file."""
    images: Path
    """The folder to which the names of the images are relative."""
    segments: Path
    """The folder of the PNG files."""


def find_panoptic_splits(root: str | Path, single: str = VAL) -> dict[str, PanopticFiles]:
    """Find panoptic COCO files for ``'train'``, ``'val'`` or both.

    Args:
        root: a folder, see :func:`list_panoptic_files`; or explicit files,
            ``TRAIN.json[:IMAGES[:SEGMENTS]],VAL.json[:IMAGES[:SEGMENTS]]``, where a single one is for ``single``.
        single: the split that a file of no split is for.

    Raises:
        NoData: if there are none.
        UserError: if the PNG files or the images are not there, or several files may be meant.
    """
    if '.json' in str(root) and not Path(root).is_dir():
        return _find_named(str(root), single)
    splits = list_panoptic_files(Path(root))
    if not splits:
        advice = hint(root, PANOPTIC) or f'name the files with {EXPLICIT}, or take --data sample, which needs no data'
        raise NoData(f'no panoptic COCO data at {root}: expected {LAYOUT}; {advice}')
    return {single: splits[WHOLE]} if WHOLE in splits else splits


def list_panoptic_files(root: Path) -> dict[str, PanopticFiles]:
    """Find panoptic COCO files: ``annotations/panoptic_train2017.json`` beside a folder of that name, with the PNGs.

    Returns:
        The files of ``'train'`` and ``'val'``, as far as there are any, or of
        :data:`~convnext_dense.data.formats.base.WHOLE` alone.

    Raises:
        UserError: if the PNG files or the images are not there, or several files may be meant.
    """
    files = [
        file
        for folder in (root / 'annotations', root)
        for file in (sorted(folder.glob('panoptic*.json')) if folder.is_dir() else [])
        if not is_stray(file.name)
    ]
    splits: dict[str, PanopticFiles] = {}
    for file in files:
        split = _split_of(file)
        if split in splits:
            raise UserError(f'{root} has several panoptic files for {split}: {splits[split].annotations} and {file}')
        splits[split] = _complete(root, file, split)
    if WHOLE in splits and len(splits) > 1:
        raise UserError(f'{splits[WHOLE].annotations} is of no split, unlike the others: rename it, or move it away')
    return splits


def _split_of(file: Path) -> str:
    return next((split for split in (TRAIN, VAL) if split in file.stem), WHOLE)


def _find_named(value: str, single: str) -> dict[str, PanopticFiles]:
    parts = [NAMED.fullmatch(part.strip()) for part in value.split(',')]
    if len(parts) > 2 or not all(parts):
        raise UserError(f'no panoptic COCO files can be read from {value}: write {EXPLICIT}')
    splits = {}
    for split, part in zip((TRAIN, VAL) if len(parts) == 2 else (single,), parts, strict=True):
        assert part is not None
        file, images, segments = Path(part[1]), part[2], part[3]
        if not file.is_file():
            raise NoData(f'no annotations at {file}: write {EXPLICIT}')
        folders = (Path(segments) if segments else None, Path(images) if images else None)
        splits[split] = _complete(file.parent.parent, file, split, *folders)
    return splits


def _complete(
    root: Path, file: Path, split: str, segments: Path | None = None, images: Path | None = None
) -> PanopticFiles:
    """Find the folders of PNG files and of images, as far as they are not given."""
    places = (file.with_suffix(''), file.parent / 'masks', root / file.stem) if segments is None else (segments,)
    found = next((one for one in places if one.is_dir()), None)
    if found is None:
        raise UserError(f'{file} has no masks: put its PNG files into {places[0]}')
    if images is not None:
        return PanopticFiles(file, images, found)
    first = _first_image(file)
    name = '.' if split == WHOLE else split
    folders = [root / pattern.format(name) for pattern in IMAGE_FOLDERS]
    for folder in folders:
        if os.path.isfile(folder / first) or Folder(folder).match([first])[first] is not None:
            return PanopticFiles(file, folder, found)
    known = ', '.join(pattern.format(name) for pattern in IMAGE_FOLDERS[:-1])
    raise UserError(f'{first}, the first image in {file}, is not in {root} nor in its {known}')


def _first_image(file: Path) -> str:
    """Return the name of the first image of a file, without parsing all of it, as far as that is possible.

    Raises:
        UserError: if it is no panoptic COCO file.
    """
    try:
        image, annotation = (next(iter(iterate_list(file, key))) for key in ('images', 'annotations'))
    except (LookupError, OSError, ValueError, AttributeError, RuntimeError):  # in another encoding, or a fault
        image = annotation = None
    if not isinstance(image, dict) or not isinstance(annotation, dict):
        image = read_lists(file)['images'][0]
    return str(image.get('file_name'))


def read_lists(path: Path) -> dict[str, list[dict]]:
    """Read the categories, images and annotations of a panoptic COCO file.

    Raises:
        UserError: if it can't be read, or one of them is not a list of objects, or empty.
    """
    content = read_json(path)
    for key in ('categories', 'images', 'annotations'):
        items = content.get(key) if isinstance(content, dict) else None
        if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
            raise UserError(f'{path} is not a panoptic COCO file: its {key} must be a list of objects')
    return content
