"""LabelMe: a JSON file for each image, as LabelMe (labelme.io), X-AnyLabeling and others write them.

https://github.com/wkentaro/labelme describes the files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import UserError
from ...io.image_size import ImageSize
from ...io.progress import track
from ..check.records import NOTE
from ..image_files import find_files, images_in, subfolders
from ..image_scan import read_header
from .base import WHOLE, Content, Format, Source
from .building import ContentBuilder, categories_of
from .file_cache import kept_by_file
from .first_files import any_below, first_files, head
from .image_index import ImageIndex
from .json_files import begins_with_object, read_json
from .labelme_shapes import NO_OBJECTS, read_shape
from .shapes import Shape, Unreadable
from .split_folders import find_split_folders
from .text_files import read_lines
from .values import read_flag, read_size

IGNORED, BACKGROUND = '__ignore__', '_background_'
"""Labels that LabelMe's own converters know: of what is ignored, and of pixels in no object."""
CLASS_FILES = ('labels.txt', 'classes.txt')
DEPTH = 2
"""Folders below the given one that are searched for LabelMe files."""
KEYS = ('imagePath', 'imageData')
SHAPES_KEY, IMAGE_KEY = re.compile(rb'"shapes"\s*:'), re.compile(rb'"image(Path|Data)"\s*:')


class LabelMeFormat(Format):
    """LabelMe files, beside their images or in a folder of their own."""

    name = 'labelme'
    title = 'LabelMe'
    expected = 'LabelMe files beside the images or in a folder of their own, in train/ and val/ or without splits'
    is_upright = True

    def find(self, root: Path) -> dict[str, Source] | None:
        if not root.is_dir():
            return None
        folders = find_split_folders(root, _holds_files)
        if folders:
            if _has_files(root):
                beside = ', '.join(f'{path.relative_to(root)}/' for path in folders.values())
                raise UserError(f'{root} has LabelMe files in {beside} and beside: move the latter into one of them')
            return {split: Source(path, root, self.name) for split, path in folders.items()}
        return {WHOLE: Source(root, root, self.name)} if _holds_files(root) else None

    def read_categories(self, source: Source) -> list[dict]:
        names = _listed_classes(source) or _used_classes(self._all_folders(source))
        if not names:
            raise UserError(f'{source.annotations} has no classes: give the objects labels in LabelMe')
        return categories_of(names)

    def read(self, source: Source, needs_annotations: bool = True) -> Content:
        reader = _Reader(source)
        files = _json_files(source.annotations)
        for file in track(files, 'reading labels'):
            reader.read_file(file)
        reader.images.check(len(files))
        reader.note_bare_images()
        listed = _listed_classes(source)
        classes = listed or _used_classes(self._all_folders(source))
        name = str(_class_file(source)) if listed else 'the data set'
        return reader.builder.build(source.annotations, classes, needs_annotations, name)

    def has_masks(self, source: Source) -> bool:
        return any(_summary(file).has_masks for file in _json_files(source.annotations))

    def _all_folders(self, source: Source) -> list[Path]:
        """The folders of all splits of a data set."""
        folders = find_split_folders(source.images, _holds_files).values()
        return list(folders) if source.annotations in folders else [source.annotations]


def _is_labelme(path: str) -> bool:
    """Check whether a file has the keys of LabelMe, by its beginning, or all of it if that has only one of them."""
    content = head(path)
    if not begins_with_object(content):
        return False
    found = [bool(key.search(content)) for key in (SHAPES_KEY, IMAGE_KEY)]
    if found[0] != found[1]:  # an image, or very many points, come first
        try:
            content = Path(path).read_bytes()
        except OSError:
            return False
        found = [bool(key.search(content)) for key in (SHAPES_KEY, IMAGE_KEY)]
    return all(found)


def _has_files(folder: Path) -> bool:
    return any(map(_is_labelme, first_files(folder, '.json')))


def _holds_files(folder: Path) -> bool:
    return any_below(folder, DEPTH, _has_files)


def _json_files(folder: Path) -> list[Path]:
    return [Path(file) for file in find_files(folder).files if file.lower().endswith('.json')]


def _read_file(path: Path) -> dict[str, Any] | None:
    """Read a file; None if it is not of LabelMe.

    Raises:
        UserError: if it is damaged.
    """
    content = read_json(path)
    if not isinstance(content, dict) or not ('shapes' in content or any(key in content for key in KEYS)):
        return None
    if not isinstance(content.get('shapes'), list):
        raise UserError(f'{path} has no list of shapes: save it again in LabelMe, or remove it')
    return content


class _Entry(NamedTuple):
    """A shape of a file."""

    spot: str
    value: dict[str, Any]
    label: str
    kind: str


def _shapes_of(path: Path, content: dict[str, Any]) -> Iterator[_Entry]:
    for number, value in enumerate(content.get('shapes', [])):
        spot = f'shapes[{number}]'
        if not isinstance(value, dict):
            raise UserError(f'{path}: {spot} is no shape of LabelMe: correct or remove it')
        label = value.get('label')
        label = str(label) if type(label) in (int, float) else label
        if not isinstance(label, str) or not label.strip():
            raise UserError(f'{path}: {spot} has no label: give it one in LabelMe')
        kind = value.get('shape_type')
        yield _Entry(spot, value, label.strip(), 'polygon' if kind is None else str(kind))


def _is_difficult(entry: _Entry) -> bool:
    return bool(read_flag(entry.value.get('difficult') or 0))


def _readable(entry: _Entry) -> list[Shape]:
    try:
        return [read_shape(entry.kind, entry.value)]
    except Unreadable:
        return []


def _class_file(source: Source) -> Path | None:
    """Return the file that lists the classes, or None."""
    folders = dict.fromkeys((source.annotations, source.annotations.parent, source.images))
    inside = [folder for folder in folders if folder == source.images or source.images in folder.parents]
    return next((folder / name for folder in inside for name in CLASS_FILES if (folder / name).is_file()), None)


def _listed_classes(source: Source) -> list[str]:
    """Read the classes from ``labels.txt``, a name per line, if there is one."""
    file = _class_file(source)
    if file is None:
        return []
    return list(dict.fromkeys(name for name in read_lines(file) if name not in (IGNORED, BACKGROUND)))


def _used_classes(folders: list[Path]) -> list[str]:
    """List the labels of all objects, sorted."""
    files = [file for folder in folders for file in _json_files(folder)]
    return sorted({label for file in track(files, 'reading labels') for label in _summary(file).labels})


class _Summary(NamedTuple):
    """What a file tells of its data set."""

    labels: frozenset[str]
    """Labels of its objects."""
    has_masks: bool


@kept_by_file
def _summary(path: Path) -> _Summary:
    entries = list(_shapes_of(path, _read_file(path) or {}))
    objects = [one for one in entries if one.kind not in NO_OBJECTS and one.label not in (IGNORED, BACKGROUND)]
    masks = (shape.is_mask for one in objects if not _is_difficult(one) for shape in _readable(one))
    return _Summary(frozenset(one.label for one in objects), any(masks))


class _Reader:
    """Reads the files of a split one by one."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.images = ImageIndex(source.images, source.annotations)
        self.builder = ContentBuilder()
        self.used: set[str] = set()
        self.folders = _image_folders(source)

    def read_file(self, path: Path) -> None:
        content = _read_file(path)
        name = self.images.relative(path)
        if content is None:
            self.builder.note('left out: not of LabelMe', name, 'file')
            return
        file = self._find_image(path, name, content)
        if file is None:
            return
        size = self._read_size(file, name, content)
        image = self.builder.add_image(file, size)
        groups: dict[Any, list[_Entry]] = {}
        for entry in _shapes_of(path, content):
            group = entry.value.get('group_id')
            if entry.kind in NO_OBJECTS:
                self.builder.note(f'left out: {entry.kind}, which has neither box nor mask', f'{name}: {entry.spot}')
            elif entry.label == BACKGROUND:
                self.builder.note(f'left out: labeled {BACKGROUND}', f'{name}: {entry.spot}')
            else:
                own = entry.spot if group is None else None
                groups.setdefault((entry.label, own, str(group)), []).append(entry)
        for entries in groups.values():
            self._add_object(image, name, entries, size)

    def _add_object(self, image: int, name: str, entries: list[_Entry], size: ImageSize | None) -> None:
        shapes, reasons = [], []
        for entry in entries:
            try:
                shapes.append(read_shape(entry.kind, entry.value))
            except Unreadable as error:
                reasons.append(str(error))
        for entry in entries[1:]:
            joined = 'joined with another one of the same label and group_id'
            self.builder.note(joined, f'{name}: {entry.spot}', level=NOTE)
        label, ignored = entries[0].label, ''
        if label == IGNORED:
            ignored = f'labeled {IGNORED}'
        elif any(map(_is_difficult, entries)):
            ignored = 'marked as difficult'
        self.builder.add_object(
            image,
            None if label == IGNORED else label,
            (name, entries[0].spot),
            shapes,
            size,
            unreadable=reasons[0] if reasons else '',
            ignored=ignored,
        )

    def _find_image(self, path: Path, name: str, content: dict[str, Any]) -> str | None:
        """Return the file of the image, relative to the root: the JSON file itself if the image is in it."""
        written = content.get('imagePath')
        written = written if isinstance(written, str) and written.strip() else None
        folders = [path.parent, *self.folders]
        file = self.images.find(written, folders) if written else self.images.find_stem(path.stem, folders)
        if file is not None:
            self.used.add(os.path.normpath(file))
        if isinstance(content.get('imageData'), str) and content['imageData']:
            if file is None or not self._fits(file, content):
                return name
        elif file is None and written and (file := self.images.find_stem(path.stem, folders)) is not None:
            self.builder.note(
                'whose imagePath is not there: the image of the name of its JSON file is taken', name, 'image'
            )
            self.used.add(os.path.normpath(file))
        if file is None:
            self.images.note_absent(written or 'no imagePath', name)
        return file

    def _fits(self, file: str, content: dict[str, Any]) -> bool:
        header = read_header(os.path.join(self.source.images, file))
        return not isinstance(header, str) and header.fits(_written_size(content))

    def _read_size(self, file: str, name: str, content: dict[str, Any]) -> ImageSize | None:
        """Return the size of an image, upright as LabelMe shows it, or as stored if the file says that size."""
        written = _written_size(content)
        header = read_header(os.path.join(self.source.images, file))
        if isinstance(header, str):
            if written is None:
                raise UserError(
                    f'{os.path.join(self.source.images, file)}, the image of {name}, cannot be read ({header}): '
                    'restore it, or remove both'
                )
            return written
        if header.fits(written):
            return written or header.upright_size
        message = 'whose imageHeight and imageWidth are not its own, which are taken: was it resized after annotation?'
        self.builder.note(message, f'{name} ({written}, the image: {header.upright_size})', 'image')
        return header.upright_size

    def note_bare_images(self) -> None:
        """List the images in the folders of those with JSON files that have none."""
        folders = {os.path.dirname(file) for file in self.used}
        for folder in sorted(folders):
            for image in images_in(os.path.join(self.source.images, folder)):
                file = os.path.normpath(self.images.relative(image))
                if file not in self.used:
                    message = 'left out: without a LabelMe file, so that they may not be annotated yet'
                    self.builder.note(message, file, 'image')


def _image_folders(source: Source) -> list[Path]:
    """Return folders that may hold the images, beside those of the annotations: ``images/train``, ``images``."""
    root = source.images
    below = [root / name for name in subfolders(root)]
    if source.annotations == root:
        return [root, *below]
    return [*(folder / source.annotations.name for folder in below), *below, root]


def _written_size(content: dict[str, Any]) -> ImageSize | None:
    """Return the size that a file says its image has; older ones say none."""
    return read_size(content.get('imageHeight'), content.get('imageWidth'))
