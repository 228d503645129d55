"""COCO's panoptic files: a JSON file with the segments of each image, and PNG files whose colors are their ids."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...errors import UserError
from ...io.images import UNLABELED
from ..formats.base import WHOLE
from ..formats.file_names import Folder
from ..formats.image_folder import IMAGE_FOLDERS
from ..formats.json_files import read_json
from ..formats.values import read_integer
from ..image_files import is_stray
from ..text import count_of, quoted, shortened
from .label_zero import ClassList
from .mask_files import BadLabels, count_labels, read_colors
from .readers import MaskReader
from .sources import FoundMasks, MaskSource

UNKNOWN_SEGMENTS = 'with segments that the JSON file lacks'
NAMES = {'training': 'train', 'validation': 'val', WHOLE: ''}


class PanopticFiles(NamedTuple):
    """The files of a split."""

    annotations: Path
    images: Path
    masks: Path


class PanopticSource(MaskSource, MaskReader):
    """Images with panoptic segmentations, of which the classes of the segments are read, things and stuff alike.

    Label v is the v-th category, and 0 that of pixels in no segment, which are unlabeled unless it is set otherwise.

    Args:
        root: the data set's folder.
        splits: the files by split.
    """

    format = 'coco-panoptic'
    kind = 'index'
    line = 'masks are the segments of panoptic COCO files'

    def __init__(self, root: Path, splits: Mapping[str, PanopticFiles]) -> None:
        self.root, self.splits = root, splits
        self._segments: dict[str, dict[int, int]] = {}

    @property
    def digest(self) -> str:
        times = [(str(one.annotations), one.annotations.stat().st_mtime_ns) for one in self.splits.values()]
        return f'{self.format} {times}'

    @cached_property
    def names(self) -> list[str]:
        """Names of the categories, in the order of the first split's."""
        content = _read_json(next(iter(self.splits.values())).annotations)
        names = [one.get('name') for one in content['categories']]
        if not all(isinstance(name, str) and name for name in names):
            raise UserError(f'{self.root}: a category has no name: give each one')
        if len(names) >= UNLABELED or len(set(names)) < len(names):
            raise UserError(
                f'{self.root} has {len(names)} categories, {len(set(names))} by name: at most 254, each once'
            )
        return names

    def listed(self, seen: Any = None) -> ClassList:
        """Return the categories after a name for the pixels in no segment."""
        return ClassList('panoptic COCO', ['void', *self.names], is_complete=True)

    def _find(self, split: str) -> FoundMasks:
        return self._read(self.splits[self.own_name(split)])

    def _read(self, files: PanopticFiles) -> FoundMasks:
        path, images, masks = files
        content = _read_json(path)
        labels: dict[int, int] = {}
        for category in content['categories']:
            number, name = read_integer(category.get('id')), category.get('name')
            if number is None or number in labels:
                raise UserError(
                    f'{path}: id {quoted(category.get("id"))} of category {quoted(name)}: give it a number of its own'
                )
            if name not in self.names:
                raise UserError(f'{path} has the category {quoted(name)}, unlike the other split: name them alike')
            labels[number] = self.names.index(name) + 1
        file_of = {_key(one.get('id')): str(one.get('file_name')) for one in content['images']}
        if len(file_of) < len(content['images']):
            raise UserError(f'{path}: images have the same id: give each one of its own')
        named = Folder(images).match(file_of.values())
        pairs, absent, without_mask = [], [], []
        segmented = {_key(one.get('image_id')): one for one in content['annotations']}
        for number, name in file_of.items():
            file, annotation = named[name], segmented.get(number)
            if file is None:
                absent.append(name)
            elif annotation is None:
                without_mask.append(name)
            else:
                mask = str(masks / str(annotation.get('file_name')))
                self._segments[mask] = self._labels_of(path, annotation, labels)
                pairs.append((str(images / file), mask))
        if absent:
            raise UserError(f'{path}: {count_of(absent, "image")} not in {images}: {shortened(absent, 3)}')
        remarks = []
        if without_mask:
            what = f'{path}: {count_of(without_mask, "image")} without annotation'
            remarks.append(f'{what} left out: {shortened(without_mask, 3)}')
        return FoundMasks(sorted(pairs), remarks, [])

    def _labels_of(self, path: Path, annotation: Mapping[str, Any], labels: Mapping[Any, int]) -> dict[int, int]:
        """Return the label of each segment of an image by its id, and 0 for no segment."""
        found = {0: 0}
        segments = annotation.get('segments_info')
        if not isinstance(segments, list) or not all(isinstance(one, dict) for one in segments):
            raise UserError(f'{path}: segments_info of {annotation.get("file_name")} is not a list of objects')
        for segment in segments:
            number, category = read_integer(segment.get('id')), read_integer(segment.get('category_id'))
            if number is None or category not in labels:
                what = f'segment {quoted(segment.get("id"))} of {annotation.get("file_name")}'
                raise UserError(
                    f'{path}: {what} has the unknown category {quoted(segment.get("category_id"))}: correct it'
                )
            found[number] = labels[category]
        return found

    def read(self, mask: str, retry_missing: bool = False) -> np.ndarray:
        """Read the label map of a mask, uint8 (H, W)."""
        for split in self.splits:
            if mask in self._segments:
                break
            self.find(split)
        colors = read_colors(mask, retry_missing)
        ids = (colors >> 16) | (colors & 0xFF00) | (colors & 0xFF) << 16  # R + 256 G + 65536 B
        numbers, places = np.unique(ids, return_inverse=True)
        known = self._segments[mask]
        unknown = [number for number in numbers.tolist() if number not in known]
        if unknown:
            counts = count_labels(ids)
            pixels = sum(counts[number] for number in unknown)
            raise BadLabels(mask, UNKNOWN_SEGMENTS, f'{pixels} pixels of {shortened(unknown, 3)}')
        return np.array([known[number] for number in numbers.tolist()], np.uint8)[places].reshape(ids.shape)


def find_panoptic(root: Path) -> PanopticSource | None:
    """Find panoptic COCO files: ``annotations/panoptic_train2017.json`` beside a folder of that name, with the PNGs.

    Raises:
        UserError: if the PNGs or the images are not there, or several files may be meant.
    """
    files = [
        file
        for folder in (root / 'annotations', root)
        for file in (sorted(folder.glob('panoptic*.json')) if folder.is_dir() else [])
        if not is_stray(file.name)
    ]
    splits: dict[str, PanopticFiles] = {}
    for file in files:
        split = next((split for split, name in NAMES.items() if name in file.stem), WHOLE)
        if split in splits:
            raise UserError(f'{root} has several panoptic files for {split}: {splits[split].annotations} and {file}')
        splits[split] = _complete(root, file, split)
    if WHOLE in splits and len(splits) > 1:
        raise UserError(f'{splits[WHOLE].annotations} is of no split, unlike the others: rename it, or move it away')
    return PanopticSource(root, splits) if splits else None


def _complete(root: Path, file: Path, split: str) -> PanopticFiles:
    masks = next(
        (one for one in (file.with_suffix(''), file.parent / 'masks', root / file.stem) if one.is_dir()), None
    )
    if masks is None:
        raise UserError(f'{file} has no masks: put its PNG files into {file.with_suffix("")}')
    images = _read_json(file)['images']
    first = next((str(one.get('file_name')) for one in images), '')
    folders = [root / name.format(NAMES[split] or '.') for name in IMAGE_FOLDERS]
    for folder in folders:
        if os.path.isfile(folder / first) or Folder(folder).match([first])[first] is not None:
            return PanopticFiles(file, folder, masks)
    raise UserError(f'{first}, the first image in {file}, is not in {root} nor in its {", ".join(IMAGE_FOLDERS[:-1])}')


def _key(value: Any) -> Any:
    """Return an id, of which 7 and "7" are the same, for lookups; of any other value its text."""
    number = read_integer(value)
    return repr(value) if number is None else number


def _read_json(path: Path) -> dict[str, list[Any]]:
    content = read_json(path)
    for key in ('categories', 'images', 'annotations'):
        items = content.get(key) if isinstance(content, dict) else None
        if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
            raise UserError(f'{path} is not a panoptic COCO file: its {key} must be a list of objects')
    return content
