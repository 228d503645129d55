"""VIA, the VGG Image Annotator: ``via_region_data.json``, ``via_project.json`` or ``via_export_csv.csv``.

https://www.robots.ox.ac.uk/~vgg/software/via describes the files.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import UserError
from ...io.image_size import ImageSize
from ...io.progress import track
from ..check.records import NOTE
from ..image_files import subfolders
from ..text import quoted
from .base import WHOLE, Content, Format, Source
from .building import ContentBuilder, categories_of
from .file_cache import kept_by_files
from .first_files import first_files
from .image_index import ImageIndex
from .image_sizes import STAND_IN, find_headers
from .shapes import Shape, Unreadable, box, ellipse, polygon, read_numbers
from .split_folders import MOST_FOLDERS, find_split_folders
from .split_names import split_of
from .via_files import Region, ViaImage, is_via, read_via

STRONG_NAMES = ('class', 'classes', 'class_name', 'classname', 'label', 'labels', 'category', 'categories')
WEAK_NAMES = ('type', 'name', 'object', 'object_name', 'kind')
"""Names of the attribute that tells the class, in lowercase, if regions have several; the first ones are surer."""
ONLY_CLASS = 'object'
"""The class of regions without any attribute."""
NO_OBJECTS = ('point', 'polyline', 'line')
CORNERS = {'rect': ('x', 'y', 'width', 'height'), 'circle': ('cx', 'cy', 'r'), 'ellipse': ('cx', 'cy', 'rx', 'ry')}


class ViaFormat(Format):
    """Files of VIA 1 and 2, beside their images or with ``images/`` beside them."""

    name = 'via'
    title = 'VIA'
    expected = 'a JSON or CSV file of VIA with the images beside it, or one in each of train/ and val/'
    is_upright = True

    def find(self, root: Path) -> dict[str, Source] | None:
        if root.is_file():
            return {WHOLE: Source(root, root.parent, self.name)} if _is_file(str(root)) else None
        folders = find_split_folders(root, lambda path: bool(_files_in(path))) if root.is_dir() else {}
        if folders:
            files = {split: _only(_files_in(path)) for split, path in folders.items()}
            return {split: Source(Path(file), root, self.name, split) for split, file in files.items()}
        for folder in (root, *(root / name for name in subfolders(root)[:MOST_FOLDERS])):
            if found := _files_in(folder):
                named = {split: file for file in found if (split := _split_of(file))}
                if len(named) == len(found):
                    return {split: Source(Path(file), root, self.name, split) for split, file in named.items()}
                return {WHOLE: Source(Path(_only(found)), root, self.name)}
        return None

    def read_categories(self, source: Source) -> list[dict]:
        return categories_of(self._read_classes(source).names)

    def read(self, source: Source, needs_annotations: bool = True) -> Content:
        classes = self._read_classes(source)
        reader = _Reader(source, classes)
        images = read_via(source.annotations).images
        found = [(image, file) for image in images if (file := reader.find_image(image)) is not None]
        reader.images.check(len(images))
        headers = find_headers([file for _, file in found], source.images)
        for (image, file), header in track(list(zip(found, headers, strict=True)), 'reading labels'):
            reader.read_image(image, file, None if header is None else header.upright_size)
        listed = f'the options of {classes.attribute}'
        return reader.builder.build(source.annotations, classes.names, needs_annotations, listed)

    def _read_classes(self, source: Source) -> _Classes:
        """Read the classes, which are those of all splits."""
        splits = (self.find(source.images) or {}).values() if source.split else ()
        files = [one.annotations for one in splits]
        if source.annotations not in files:
            files = [source.annotations]
        return _find_classes(tuple(files))


class _Classes(NamedTuple):
    """The attribute of regions that tells their class, and the classes."""

    attribute: str | None
    """None if the regions have no attributes."""
    names: list[str]


def _is_file(path: str) -> bool:
    return path.lower().endswith(('.json', '.csv')) and is_via(path)


def _files_in(folder: Path) -> list[str]:
    files = [file for suffix in ('.json', '.csv') for file in first_files(folder, suffix, of_images=False)]
    return [file for file in files if is_via(file)]


def _only(files: list[str]) -> str:
    if len(files) > 1:
        names = ', '.join(os.path.basename(file) for file in files)
        folder = os.path.dirname(files[0])
        raise UserError(f'{len(files)} files of VIA in {folder} ({names}): give one, such as --data {files[0]}')
    return files[0]


def _split_of(file: str) -> str | None:
    """Return the split that a file's name tells."""
    return split_of(os.path.splitext(os.path.basename(file))[0])


@kept_by_files
def _find_classes(paths: tuple[Path, ...]) -> _Classes:
    """Find the attribute that tells the class, and list its values.

    Raises:
        UserError: if there are several attributes, and none or more than one has a name that tells.
    """
    files = [(path, read_via(path)) for path in paths]
    regions = [region for _, file in files for image in file.images for region in image.regions]
    used = [_attributes(region) for region in regions if _kind(region.shape) not in ('point', 'line')]
    names = sorted({name for attributes in used for name, value in attributes.items() if value not in (None, '', {})})
    if not names:
        return _Classes(None, [ONLY_CLASS])
    chosen = next(
        (
            found
            for known in (None, STRONG_NAMES, WEAK_NAMES)
            if len(found := [name for name in names if known is None or name.strip().lower() in known]) == 1
        ),
        None,
    )
    if chosen is None:
        raise UserError(
            f'{files[0][0]}: its regions have the attributes {", ".join(names)}, whose names do not tell which one is '
            'the class: rename that one to class, in VIA or in the file'
        )
    (attribute,) = chosen
    options = [name for _, file in files for name in file.options.get(attribute, [])]
    values = [value for attributes in used for value in _values(attributes.get(attribute))]
    return _Classes(attribute, list(dict.fromkeys(options)) if options else sorted(set(values)))


def _kind(shape: Any) -> str:
    return str(shape.get('name')) if isinstance(shape, dict) else ''


def _attributes(region: Region) -> Mapping[str, Any]:
    return region.attributes if isinstance(region.attributes, dict) else {}


def _values(value: Any) -> list[str]:
    """Return the classes that the value of an attribute means: a text, or the ticked boxes of several."""
    if isinstance(value, dict):
        return [name.strip() for name, ticked in value.items() if ticked is True and name.strip()]
    value = str(value) if type(value) in (int, float) else value
    return [value.strip()] if isinstance(value, str) and value.strip() not in ('', 'undefined') else []


class _Reader:
    """Reads the images of a file one by one."""

    def __init__(self, source: Source, classes: _Classes) -> None:
        self.classes = classes
        self.file = os.path.relpath(source.annotations, source.images)
        near = source.images / source.split if source.split else source.annotations
        self.images = ImageIndex(source.images, near)
        self.builder = ContentBuilder()
        beside, root = source.annotations.parent, source.images
        inside = (source.split, f'images/{source.split}', 'images', '') if source.split else ('images', '')
        self.folders = [beside, *(folder / name for folder in dict.fromkeys((beside, root)) for name in inside)]

    def find_image(self, image: ViaImage) -> str | None:
        """Return the file of an image, or note that there is none."""
        file = self.images.find(image.file_name, self.folders)
        if file is None:
            self.images.note_absent(image.file_name, self._place(image.spot))
        return file

    def read_image(self, image: ViaImage, file: str, size: ImageSize | None) -> None:
        """Read the regions of an image; VIA's files don't tell its size, which is None for one without."""
        place = self._place(image.spot)
        number = self.builder.add_image(file, size)
        if image.count is not None and image.count != len(image.regions):
            message = f'whose region_count is {image.count}, and of which {len(image.regions)} are there'
            self.builder.note(message, place, 'image')
        for region in image.regions:
            self._read_region(number, region, size or STAND_IN)

    def _place(self, spot: int | str) -> str:
        return f'{self.file}:{spot}' if isinstance(spot, int) else f'{self.file}: {spot}'

    def _read_region(self, image: int, region: Region, size: ImageSize) -> None:
        kind = _kind(region.shape)
        shapes: list[Shape] = []
        reason = ''
        try:
            shapes.append(_read_shape(region.shape))
        except Unreadable as error:
            if kind in NO_OBJECTS:
                message = f'left out: {kind}, which has neither box nor mask'
                self.builder.note(message, self._place(region.spot))
                return
            reason = str(error)
        attribute = self.classes.attribute
        found = [ONLY_CLASS] if attribute is None else _values(_attributes(region).get(attribute))
        if attribute is None:
            message = f'of the class {ONLY_CLASS!r}, since no region has an attribute'
            self.builder.note(message, self._place(region.spot), level=NOTE)
        elif len(found) != 1:
            several = f'of several classes, {", ".join(found)}' if found else f'without a value of {attribute!r}'
            reason = reason or several
        label = found[0] if len(found) == 1 else None
        self.builder.add_object(image, label, (self.file, region.spot), shapes, size, unreadable=reason)


def _read_shape(shape: Any) -> Shape:
    """Read the ``shape_attributes`` of a region.

    Raises:
        Unreadable: if they are those of no object, or not understood.
    """
    if not isinstance(shape, dict) or not shape:
        raise Unreadable('no shape_attributes')
    kind = _kind(shape)
    if kind in ('polygon', 'polyline'):
        xs, ys = (_coordinates(shape.get(key)) for key in ('all_points_x', 'all_points_y'))
        if len(xs) != len(ys):
            raise Unreadable(f'{kind} of {len(xs)} x and {len(ys)} y')
        points = list(zip(xs, ys, strict=True))
        if kind == 'polyline' and (len(points) < 4 or points[0] != points[-1]):  # a closed one is a polygon
            raise Unreadable('polyline that is not closed')
        return polygon(points)
    if kind not in CORNERS:
        raise Unreadable(f'unknown shape {quoted(kind)}')
    numbers = read_numbers([shape.get(key) for key in CORNERS[kind]], ', '.join(CORNERS[kind]))
    if kind == 'rect':
        x, y, width, height = numbers
        return box(x, y, x + width, y + height)
    if kind == 'circle':
        x, y, radius = numbers
        return ellipse(x, y, radius, radius)
    x, y, rx, ry = numbers
    (angle,) = read_numbers([shape.get('theta') or 0], 'theta')
    return ellipse(x, y, rx, ry, angle)


def _coordinates(values: Any) -> list[float]:
    if not isinstance(values, list):
        raise Unreadable('points without all_points_x or all_points_y')
    return read_numbers(values, 'points')
