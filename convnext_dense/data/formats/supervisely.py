"""Projects of Supervisely: ``meta.json``, and folders of data sets with ``ann`` and ``img``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import NoData, UserError
from ...io.image_size import ImageSize
from ...io.progress import track
from ..check.records import NOTE
from ..image_files import EXTENSIONS, is_stray, subfolders
from ..image_scan import read_header
from ..text import count_of, shortened
from .base import WHOLE, Content, Format, Source
from .building import ContentBuilder, categories_of
from .file_cache import kept_by_file
from .json_files import read_json
from .shapes import Shape, Unreadable
from .split_names import SPLITS, split_of, split_of_folders
from .supervisely_shapes import WITHOUT_AREA, kind_of, read_shape
from .values import read_size

META = ('meta.json', 'classes.json')
"""Files that list the classes; the second is of old exports."""


class SuperviselyFormat(Format):
    """Supervisely: a JSON file for each image, and classes in ``meta.json``."""

    name = 'supervisely'
    title = 'Supervisely'
    expected = 'meta.json, and folders with ann/IMAGE.jpg.json and img/IMAGE.jpg; names of folders or tags tell splits'
    is_upright = True

    def find(self, root: Path) -> dict[str, Source] | None:
        if not root.is_dir():
            return None
        datasets = _find_datasets(root)
        if not datasets or not (_has_meta(root) or any(map(_is_annotated, datasets))):
            return None
        splits = _find_splits(root, datasets)
        names = [split for split in SPLITS if split in splits] or [WHOLE]
        return {split: Source(root, root, self.name, split) for split in names}

    def read_categories(self, source: Source) -> list[dict]:
        classes, _ = _read_meta(source.annotations)
        if classes is None:
            files = [file for dataset in _datasets_of(source) for file in _annotation_files(dataset)]
            classes = sorted({name for file in track(files, 'reading labels') for name in _titles(file)})
        return categories_of(classes)

    def read(self, source: Source, needs_annotations: bool = True) -> Content:
        reader = _Reader(source)
        files = [(dataset, file) for dataset in _datasets_of(source) for file in _annotation_files(dataset)]
        for dataset, file in track(files, 'reading labels'):
            reader.read_file(dataset, file)
        reader.check_images()
        classes = [one['name'] for one in self.read_categories(source)]
        meta = _find_meta(source.annotations)
        return reader.builder.build(source.annotations, classes, needs_annotations, str(meta))

    def other_files(self, source: Source) -> Iterable[Path]:
        return filter(None, [_find_meta(source.annotations)])


class _Object(NamedTuple):
    """An object of a file."""

    spot: str
    value: Mapping[str, Any]
    title: str


def _find_datasets(root: Path) -> list[Path]:
    """List the folders with ``ann``: the root, those in it, and data sets in the ``datasets`` of others."""
    found = [root] if (root / 'ann').is_dir() else []
    for folder in (root / name for name in subfolders(root)):
        if (folder / 'ann').is_dir():
            found.append(folder)
        if folder.name == 'datasets':
            found += _find_datasets(folder)
        elif (folder / 'datasets').is_dir():
            found += _find_datasets(folder / 'datasets')
    return found


def _datasets_of(source: Source) -> list[Path]:
    datasets = _find_datasets(source.annotations)
    if not datasets:
        raise NoData(f'no annotations of Supervisely at {source.annotations}: give the folder with meta.json')
    return datasets


def _find_meta(root: Path) -> Path | None:
    """Return the file that lists the classes: of the project, which may be the folder around a data set."""
    folders = [root, root.parent] if (root / 'ann').is_dir() else [root]
    return next((folder / name for folder in folders for name in META if (folder / name).is_file()), None)


def _read_meta(root: Path) -> tuple[list[str] | None, list[str]]:
    """Read the names of the classes, None if there is no file that lists them, and those of the tags.

    Raises:
        UserError: if the file can't be read, or is not of Supervisely.
    """
    meta = _find_meta(root)
    if meta is None:
        return None, []
    content = read_json(meta)
    entries = content.get('classes') if isinstance(content, dict) else content
    titles = [_title(entry, 'title') for entry in (entries if isinstance(entries, list) else ())]
    if not titles or not all(isinstance(title, str) and title.strip() for title in titles):
        fault = 'a class without a title' if titles else 'no classes'
        raise UserError(f'{meta} has {fault}: download it again, or add it in Supervisely')
    tags = content.get('tags') or content.get('tags_images') if isinstance(content, dict) else None
    names = [tag.get('name') if isinstance(tag, dict) else tag for tag in tags] if isinstance(tags, list) else []
    return list(dict.fromkeys(titles)), [name for name in names if isinstance(name, str)]


def _has_meta(root: Path) -> bool:
    try:
        return _read_meta(root)[0] is not None
    except UserError:
        return False


def _title(entry: Any, key: str) -> Any:
    title = entry.get(key) if isinstance(entry, dict) else None
    return str(title) if type(title) in (int, float) else title


def _is_annotated(dataset: Path) -> bool:
    """Check by a file whether a folder is of Supervisely."""
    try:
        content = read_json(next(_annotation_files(dataset)))
    except (StopIteration, UserError):
        return False
    return isinstance(content, dict) and isinstance(content.get('objects'), list) and 'size' in content


def _split_of_dataset(dataset: Path, root: Path) -> str | None:
    """Return the split that the innermost name of a data set tells."""
    return split_of_folders(dataset.relative_to(root))


def _find_splits(root: Path, datasets: list[Path]) -> set[str | None]:
    """Return the splits that images are in, by their tags or else the names of data sets; None for no split.

    Annotation files are only read if the project has tags that tell a split.
    """
    of_datasets = {dataset: _split_of_dataset(dataset, root) for dataset in datasets}
    tags = _read_meta(root)[1] if _has_meta(root) else ()  # a faulty file is reported when it is read
    telling = {name: split for name in tags if (split := split_of(name))}
    if not telling:
        return set(of_datasets.values())
    found: set[str | None] = set()
    for dataset, split in of_datasets.items():
        for file in _annotation_files(dataset):
            if {*telling.values(), split} <= found:
                break
            text = file.read_bytes() if file.is_file() else b''
            is_tagged = any(name.encode() in text for name in telling)
            found.add((_split_of_image(read_json(file)) if is_tagged else None) or split)
    return found


def _split_of_image(content: Any) -> str | None:
    """Return the split that the tags of an image tell, or None if they tell none, or several."""
    tags = content.get('tags') if isinstance(content, dict) else None
    names = (tag.get('name') if isinstance(tag, dict) else tag for tag in (tags if isinstance(tags, list) else ()))
    splits = {split for name in names if isinstance(name, str) and (split := split_of(name))}
    return splits.pop() if len(splits) == 1 else None


def _annotation_files(dataset: Path) -> Iterator[Path]:
    with os.scandir(dataset / 'ann') as entries:
        names = sorted(entry.name for entry in entries if entry.name.lower().endswith('.json'))
    yield from (dataset / 'ann' / name for name in names if not is_stray(name))


def _read_file(path: Path) -> dict[str, Any]:
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get('objects'), list):
        raise UserError(f'{path} has no list of objects: it is not of Supervisely, download it again')
    return content


def _objects_of(path: Path, content: Mapping[str, Any]) -> Iterator[_Object]:
    for number, value in enumerate(content['objects']):
        spot = f'objects[{number}]'
        title = _title(value, 'classTitle')
        if not isinstance(title, str) or not title.strip():
            raise UserError(f'{path}: {spot} has no classTitle: correct or remove it')
        yield _Object(spot, value, title)


@kept_by_file
def _titles(path: Path) -> frozenset[str]:
    objects = _objects_of(path, _read_file(path))
    return frozenset(one.title for one in objects if kind_of(one.value) not in WITHOUT_AREA)


class _Reader:
    """Reads the files of a split one by one."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.builder = ContentBuilder()
        self._images: dict[Path, dict[str, str]] = {}
        self._total = 0
        self._absent: list[str] = []

    def read_file(self, dataset: Path, path: Path) -> None:
        content = _read_file(path)
        name = os.path.relpath(path, self.source.annotations)
        file = self._find_image(dataset, path.name)
        split = _split_of_image(content) or _split_of_dataset(dataset, self.source.annotations)
        if self.source.split not in (split, WHOLE, ''):
            if split is None:
                self.builder.note('left out: neither a tag nor its data set tells the split', name, 'image')
            return
        self._total += 1
        if file is None:
            self._absent.append(f'of {name}')
            return
        size = self._read_size(file, content)
        image = self.builder.add_image(file, size)
        groups: dict[Any, list[_Object]] = {}
        for one in _objects_of(path, content):
            kind = kind_of(one.value)
            if kind in WITHOUT_AREA:
                self.builder.note(f'left out: {kind}, which has no area', f'{name}: {one.spot}')
            else:
                instance = one.value.get('instance')
                groups.setdefault((one.title, str(instance) if instance else one.spot), []).append(one)
        for (title, _), parts in groups.items():
            self._add_object(image, name, title, parts, size)

    def check_images(self) -> None:
        """Check that each file has its image, and tell of images without a file.

        Raises:
            UserError: if an image is absent.
        """
        if self._absent:
            raise UserError(
                f'{self.source.annotations}: {count_of(self._absent, "image")} of {self._total} not in img '
                f'({shortened(self._absent, 3)}): download the project with its images, or remove these files'
            )
        for dataset, unused in self._images.items():
            split = _split_of_dataset(dataset, self.source.annotations)
            if self.source.split in (split, WHOLE, '') or split is None:
                for file in unused.values():
                    self.builder.note('left out: without a file in ann', file, 'image')

    def _find_image(self, dataset: Path, name: str) -> str | None:
        """Return the image of an annotation file relative to the root, and take it from those that are left."""
        if dataset not in self._images:
            self._images[dataset] = _list_images(dataset, self.source.annotations)
        left = self._images[dataset]
        stem = name[: -len('.json')]
        if stem in left:
            return left.pop(stem)
        fitting = [image for image in left if os.path.splitext(image)[0] == stem]  # of old exports
        return left.pop(fitting[0]) if len(fitting) == 1 else None

    def _read_size(self, file: str, content: Mapping[str, Any]) -> ImageSize | None:
        size = content.get('size')
        if isinstance(size, dict) and (written := read_size(size.get('height'), size.get('width'))):
            return written
        header = read_header(os.path.join(self.source.images, file))
        return None if isinstance(header, str) else header.upright_size

    def _add_object(self, image: int, name: str, title: str, parts: list[_Object], size: ImageSize | None) -> None:
        shapes: list[Shape] = []
        reasons: list[str] = []
        for part in parts:
            try:
                shapes.append(read_shape(part.value, size))
            except Unreadable as reason:
                reasons.append(str(reason))
        for part in parts[1:]:
            self.builder.note('joined: part of an instance', f'{name}: {part.spot}', level=NOTE)
        self.builder.add_object(
            image, title, (name, parts[0].spot), shapes, size, unreadable='; '.join(dict.fromkeys(reasons))
        )


def _list_images(dataset: Path, root: Path) -> dict[str, str]:
    try:
        with os.scandir(dataset / 'img') as entries:
            names = sorted(entry.name for entry in entries if entry.name.lower().endswith(EXTENSIONS))
    except OSError:
        return {}
    return {name: os.path.relpath(dataset / 'img' / name, root) for name in names if not is_stray(name)}
