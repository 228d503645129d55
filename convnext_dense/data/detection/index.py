"""Index of large annotations in the cache, so that the next start reads arrays rather than text.

An index holds what :func:`.coco.read_coco` made of the annotations of a split. It is valid as long as no file that
they were read from has changed, been added or been removed, and all images are where they were.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from array import array
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from filelock import FileLock

from ...io.cache import cache_folder
from ...io.files import atomic_write
from ...version import __version__
from ..formats import FORMATS
from ..formats.base import Places, Source
from ..formats.faults import Fault
from ..formats.file_cache import kept_while_unchanged
from ..formats.file_names import Folder

LARGE_BYTES, MANY_FILES = 32_000_000, 5_000
"""Size and number of files from which an index is kept: reading them takes a second."""
POLYGONS, COMPRESSED, RUNS = 1, 2, 3
"""Forms of masks: polygons, compressed RLE, and RLE as numbers."""
CROWD, IGNORED = 1, 2
"""Flags of annotations."""


class State(NamedTuple):
    """The files that the annotations of a split are read from."""

    digest: str
    """Changes when one of them is modified, added, removed or renamed."""
    is_large: bool
    """An index is worth its space."""


@kept_while_unchanged
def find_state(source: Source) -> State:
    """Look at the sizes and times of all files that a split is read from."""
    digest, size, count = hashlib.blake2b(__version__.encode(), digest_size=16), 0, 0
    for path, status in FORMATS[source.format].files(source):
        digest.update(f'{path}\0{status.st_size}\0{status.st_mtime_ns}\n'.encode('utf-8', 'surrogateescape'))
        size, count = size + status.st_size, count + 1
    return State(digest.hexdigest(), size >= LARGE_BYTES or count >= MANY_FILES)


def index_file(source: Source, settings: object) -> Path:
    """Return the file of an index, which may not exist.

    Args:
        source: the annotations.
        settings: all that decides how they are read; its ``repr`` counts.
    """
    places = os.path.realpath(source.annotations), os.path.realpath(source.images), source.format, source.split
    key = hashlib.blake2b(repr((places, settings)).encode('utf-8', 'surrogateescape'), digest_size=8).hexdigest()
    return cache_folder() / f'annotations-{key}.safetensors'


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Context in which no other process reads the same annotations: the others wait and take its index."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(file.with_suffix('.lock'))
        lock.acquire()
    except OSError:  # saving will say so
        yield
        return
    try:
        yield
    finally:
        lock.release()


def save(file: Path, state: State, data: Mapping[str, Any]) -> bool:
    """Write an index; False if that is not possible, of which a warning tells.

    Args:
        file: see :func:`index_file`.
        state: the state of the annotations before they were read.
        data: the fields of :class:`.coco.CocoData`.
    """
    from safetensors.numpy import save_file

    try:
        arrays, header = _pack(data)
    except OverflowError:  # an id beyond 64 bits
        return False
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(file) as temporary:
            save_file(arrays, temporary, {'state': state.digest, 'content': json.dumps(header)})
    except OSError as error:
        logging.getLogger('mmengine').warning(
            f'cannot cache the annotations ({error}), so every start will read them anew: '
            'set CONVNEXT_DENSE_CACHE to a writable folder with room'
        )
        return False
    return True


def load(file: Path, state: State, images: Path) -> dict[str, Any] | None:
    """Read an index: the fields of :class:`.coco.CocoData`, or None if there is no valid one."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, 'numpy') as content:
            metadata = content.metadata() or {}
            if metadata.get('state') != state.digest:
                return None
            header = json.loads(metadata['content'])
            arrays = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118 - it is no dict
        data = _unpack(arrays, header)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):  # none, or damaged
        return None
    names = [image['file_name'] for image in data['images']]
    return data if all(file == name for name, file in Folder(images).match(names).items()) else None


def load_header(file: Path, state: State) -> dict[str, Any] | None:
    """Read what an index says beside images and annotations, or None if there is no valid one."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, 'numpy') as content:
            metadata = content.metadata() or {}
        return json.loads(metadata['content']) if metadata.get('state') == state.digest else None
    except (OSError, SafetensorError, ValueError, KeyError):
        return None


def _pack(data: Mapping[str, Any]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    images, by_image = data['images'], data['annotations']
    annotations = [one for image in images for one in by_image[image['id']]]
    forms, parts, lengths = bytearray(), array('q'), array('q')
    coordinates, texts, runs = array('d'), [], array('q')
    for one in annotations:
        mask = one.get('segmentation')
        if mask is None:
            forms.append(0)
        elif isinstance(mask, list):
            forms.append(POLYGONS)
            parts.append(len(mask))
            for polygon in mask:
                lengths.append(len(polygon))
                coordinates.fromlist(polygon)
        elif isinstance(mask['counts'], list):
            forms.append(RUNS)
            lengths.append(len(mask['counts']))
            runs.extend(mask['counts'])
        else:
            forms.append(COMPRESSED)
            lengths.append(len(mask['counts']))
            texts.append(mask['counts'])
    arrays = {
        'image_ids': np.array([image['id'] for image in images], np.int64),
        'image_sizes': np.array([(image['height'], image['width']) for image in images], np.int64).reshape(-1, 2),
        'file_names': _as_bytes(json.dumps([image['file_name'] for image in images])),
        'counts': np.array([len(by_image[image['id']]) for image in images], np.int64),
        'ids': np.array([one['id'] for one in annotations], np.int64),
        'categories': np.array([one['category_id'] for one in annotations], np.int64),
        'boxes': np.array([one['bbox'] for one in annotations], np.float64).reshape(-1, 4),
        'areas': np.array([one['area'] for one in annotations], np.float64),
        'flags': np.array([one['iscrowd'] + IGNORED * ('ignored' in one) for one in annotations], np.uint8),
        'forms': np.frombuffer(forms, np.uint8),
        'parts': np.frombuffer(parts, np.int64),
        'lengths': np.frombuffer(lengths, np.int64),
        'coordinates': np.frombuffer(coordinates, np.float64),
        'texts': _as_bytes(''.join(texts)),
        'runs': np.frombuffer(runs, np.int64),
    }
    header = {key: value for key, value in data.items() if key not in ('images', 'annotations', 'places')}
    places: Places | None = data.get('places')
    return {**arrays, **(places.to_arrays() if places is not None else {})}, header


def _unpack(arrays: Mapping[str, np.ndarray], header: Mapping[str, Any]) -> dict[str, Any]:
    """Make the fields again; polygons are views of one array, which takes a quarter of the memory of lists."""
    sizes, numbers = arrays['image_sizes'].tolist(), arrays['image_ids'].tolist()
    names = json.loads(bytes(arrays['file_names']))
    images = [
        {'id': number, 'file_name': name, 'height': height, 'width': width}
        for number, name, (height, width) in zip(numbers, names, sizes, strict=True)
    ]
    text, runs, coordinates = bytes(arrays['texts']).decode('ascii'), arrays['runs'], arrays['coordinates']
    forms, parts, lengths = arrays['forms'].tolist(), iter(arrays['parts'].tolist()), iter(arrays['lengths'].tolist())
    at_text = at_runs = at_coordinates = 0
    rows = zip(
        arrays['ids'].tolist(),
        arrays['categories'].tolist(),
        arrays['boxes'].tolist(),
        arrays['areas'].tolist(),
        arrays['flags'].tolist(),
        forms,
        strict=True,
    )
    by_image: dict[int, list[Any]] = {}
    for number, size, count in zip(numbers, sizes, arrays['counts'].tolist(), strict=True):
        of_image = by_image[number] = []
        for _ in range(count):
            own_id, category, box, area, flags, form = next(rows)
            one: dict[str, Any] = {'id': own_id, 'image_id': number, 'category_id': category, 'bbox': box}
            one |= {'area': area, 'iscrowd': flags & CROWD}
            if flags & IGNORED:
                one['ignored'] = True
            if form == POLYGONS:
                polygons = one['segmentation'] = []
                for _ in range(next(parts)):
                    end = at_coordinates + next(lengths)
                    polygons.append(coordinates[at_coordinates:end])
                    at_coordinates = end
            elif form:
                length = next(lengths)
                if form == COMPRESSED:
                    counts: Any = text[at_text : at_text + length]
                    at_text += length
                else:
                    counts = runs[at_runs : at_runs + length].tolist()
                    at_runs += length
                one['segmentation'] = {'size': size, 'counts': counts}
            of_image.append(one)
    data = {**header, 'images': images, 'annotations': by_image, 'places': Places.from_arrays(arrays)}
    for key in ('classes', 'category_ids', 'own_classes', 'other_ids'):
        data[key] = tuple(data[key])
    return {**data, 'faults': [Fault(*fault) for fault in header['faults']]}


def _as_bytes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), np.uint8)
