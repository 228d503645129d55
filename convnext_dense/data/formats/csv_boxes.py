"""CSV files with a box in each row, as TensorFlow's, RetinaNet's, Roboflow's and those of many competitions."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import NoData, UserError
from ...io.image_size import ImageSize
from ..check.records import NOTE
from ..image_files import images_in
from ..text import shortened
from . import shapes
from .annotation_files import split_of_file
from .base import Source
from .building import ContentBuilder
from .csv_rows import column_key, find_columns, first_row, read_rows
from .file_cache import kept_by_file
from .image_index import ImageIndex
from .open_images import BOX_COLUMNS as OPEN_IMAGES
from .split_names import splits_of_path
from .table_format import RowReader, TableFormat
from .values import read_integer, read_number, read_size

IMAGE = (
    'filename',
    'imagename',
    'image',
    'imageid',
    'imagepath',
    'imagefile',
    'img',
    'path',
    'filepath',
    'file',
    'frame',
)
"""Columns of the image; the first one that exists is taken, as of all others."""
CLASS = (
    'classname',
    'class',
    'labelname',
    'label',
    'category',
    'categoryname',
    'name',
    'classid',
    'labelid',
    'categoryid',
)
CORNERS = (
    *(('xmin', 'ymin', 'xmax', 'ymax'), ('x1', 'y1', 'x2', 'y2'), ('left', 'top', 'right', 'bottom')),
    *(('bboxx1', 'bboxy1', 'bboxx2', 'bboxy2'), ('bboxxmin', 'bboxymin', 'bboxxmax', 'bboxymax')),
)
SIZED = (
    *(('x', 'y', 'w', 'h'), ('xmin', 'ymin', 'w', 'h'), ('bboxx', 'bboxy', 'bboxwidth', 'bboxheight')),
    *(('x', 'y', 'width', 'height'), ('xmin', 'ymin', 'width', 'height'), ('left', 'top', 'width', 'height')),
)
BOX = ('bbox', 'box', 'boundingbox')
"""Columns of all four numbers of COCO's box: ``"[834.0, 222.0, 56.0, 36.0]"``."""
RETINANET = ('path', 'x1', 'y1', 'x2', 'y2', 'class')
"""Columns of files without names of columns."""
OF_OTHERS = ('regionshapeattributes', 'maskpath', 'predictionstring')
"""Columns of VIA's files and of masks of Open Images, and of results."""
CLASS_FILES = ('classes.csv', 'class.csv', 'class_list.csv', 'class_mapping.csv', 'labels.csv')
"""Names of RetinaNet's list of classes: name and number in each row."""
ONE_CLASS = 'object'
"""Name of the class of data without any."""


class Columns(NamedTuple):
    """The places of columns in a CSV file."""

    image: int
    label: int | None
    box: tuple[int, ...]
    """Of four numbers, or of a text with all."""
    is_sized: bool
    """True if the last two numbers are width and height, rather than the right and lower edge."""
    size: tuple[int, int] | None
    """Of height and width of the image."""
    number: int
    """Number of all columns."""
    has_header: bool


class CsvFormat(TableFormat):
    """Boxes in CSV files."""

    name = 'csv'
    title = 'CSV'
    expected = 'train.csv and val.csv, with columns as filename, class, xmin, ymin, xmax and ymax'
    files_title = 'CSV files'
    file_names = 'train.csv and val.csv'

    def is_own(self, path: Path) -> bool:
        return _is_ours(path)

    def read_classes(self, source: Source) -> Mapping[str, str]:
        return _read_classes(source)

    def class_file(self, source: Source) -> Path | None:
        return _class_file(source)

    def row_reader(self, source: Source) -> RowReader:
        return _Reader(source)


def _is_ours(path: Path) -> bool:
    if not path.name.lower().endswith('.csv'):
        return False
    try:
        return _find_columns(path, first_row(path)) is not None
    except UserError:  # two columns with one name
        return False


def _find_columns(path: Path, row: Sequence[str]) -> Columns | None:
    """Return the columns by the first row of a file, or None if these are no boxes in images."""
    keys = {column_key(name) for name in row}
    if set(OPEN_IMAGES) <= keys or keys & set(OF_OTHERS):
        return None
    if len(row) == len(RETINANET) and row[0] and row[5] and all(read_number(cell) is not None for cell in row[1:5]):
        return Columns(0, 5, (1, 2, 3, 4), False, None, len(row), False)
    if len(row) == len(RETINANET) and row[0] and not any(row[1:]):  # an image without objects
        return Columns(0, 5, (1, 2, 3, 4), False, None, len(row), False)
    columns = find_columns(path, row)
    image = next((columns[key] for key in IMAGE if key in columns), None)
    label = next((columns[key] for key in CLASS if key in columns), None)
    groups = [*CORNERS, *SIZED, *((key,) for key in BOX)]
    box = next((keys for keys in groups if all(key in columns for key in keys)), None)
    if image is None or box is None:
        return None
    size = None
    if 'height' in columns and 'width' in columns and 'height' not in box:
        size = columns['height'], columns['width']
    return Columns(image, label, tuple(columns[key] for key in box), box not in CORNERS, size, len(row), True)


def _columns(path: Path, row: Sequence[str]) -> Columns:
    columns = _find_columns(path, row)
    if columns is None:
        raise UserError(f'{path}: its columns ({shortened(row, 8)}) name no image and box: {CsvFormat.expected}')
    return columns


def _class_file(source: Source) -> Path | None:
    folders = dict.fromkeys((source.annotations.parent, source.images))
    files = (folder / name for folder in folders for name in CLASS_FILES)
    return next((file for file in files if file != source.annotations and len(first_row(file)) == 2), None)


def _read_classes(source: Source) -> dict[str, str]:
    """Return the names of classes by what the rows call them: names, or numbers of a list of classes."""
    file = _class_file(source)
    if file is not None:
        listed = _read_class_file(file)
        numbers = {number: name for name, number in listed}
        return {name: name for name, _ in listed} | {str(number): name for number, name in numbers.items()}
    used = CsvFormat().used_labels(source, _used_labels)
    numbers_alone = all(read_integer(label) is not None for label in used)
    return {label: label for label in (sorted(used, key=int) if numbers_alone else used)}


def _read_class_file(path: Path) -> list[tuple[str, int]]:
    """Read names and numbers, in any order of the two, sorted by number."""
    classes: list[tuple[str, int]] = []
    for line, cells in read_rows(path):
        numbers = [read_integer(cell) for cell in cells]
        if line == 1 and numbers == [None, None]:  # names of columns
            continue
        place = next((place for place in (1, 0) if len(cells) == 2 and numbers[place] is not None), None)
        if place is None or not cells[1 - place]:
            raise UserError(f'{path}:{line} must be a name and a number: correct the line')
        classes.append((cells[1 - place], int(cells[place])))
    if not classes or len({number for _, number in classes}) < len(classes):
        raise UserError(f'{path} {"gives two classes the same number" if classes else "lists no classes"}: correct it')
    return sorted(classes, key=lambda one: one[1])


@kept_by_file
def _used_labels(path: Path) -> frozenset[str]:
    columns: Columns | None = None
    labels: set[str] = set()
    for _, cells in read_rows(path):
        if columns is None:
            columns = _columns(path, cells)
            if columns.has_header:
                continue
        if columns.label is None:
            return frozenset({ONE_CLASS})
        if len(cells) == columns.number and cells[columns.label]:
            labels.add(cells[columns.label])
    return frozenset(labels)


class _Reader:
    """Reads the rows of a split one by one."""

    def __init__(self, source: Source) -> None:
        if not source.annotations.is_file():
            raise NoData(f'no annotations at {source.annotations}: {CsvFormat.expected}')
        self.source = source
        self.classes = _read_classes(source)
        self.name = os.path.relpath(source.annotations, source.images)
        self.builder = ContentBuilder()
        root, beside = source.images, source.annotations.parent
        split = split_of_file(source.annotations, root)
        self._index = ImageIndex(root, root / split)
        self._folders = [beside, root, *(root / name / split for name in ('.', 'images')), root / f'{split}_images']
        self._folders += [root / 'images']
        self._images: dict[str, int | None] = {}
        self._files: dict[str, str | None] = {}
        self._has_others = len(CsvFormat().find(root) or ()) > 1
        self._columns: Columns | None = None

    def read_row(self, number: int, cells: list[str]) -> None:
        if self._columns is None:
            self._columns = _columns(self.source.annotations, cells)
            if self._columns.label is None:
                message = f'of one class, called {ONE_CLASS!r}, since no column names any'
                self.builder.note(message, self.name, 'file', NOTE)
            if self._columns.has_header:
                return
        columns, place = self._columns, (self.name, number)
        name = cells[columns.image] if columns.image < len(cells) else ''
        if not name:
            self.builder.note('left out: without an image', f'{self.name}:{number}')
            return
        image = self._find_image(name, cells, number)
        if image is None:
            return
        label = ONE_CLASS if columns.label is None else cells[columns.label] if columns.label < len(cells) else ''
        if len(cells) != columns.number:
            reason = f'{len(cells)} cells rather than {columns.number}'
            self.builder.add_object(image, None, place, [], unreadable=reason)
            return
        values = [cells[column] for column in columns.box]
        if not any(values) and (not label or columns.label is None):
            return  # an image without objects
        if not label:
            self.builder.add_object(image, None, place, [], unreadable='no class')
            return
        try:
            found, reason = [_read_box(values, columns.is_sized)], ''
        except shapes.Unreadable as error:
            found, reason = [], str(error)
        self.builder.add_object(image, self.classes.get(label, label), place, found, unreadable=reason)

    def finish(self) -> None:
        """Check that each image was found, and tell of images without a row.

        Raises:
            UserError: if an image is absent, or the file is empty.
        """
        if self._columns is None:
            raise UserError(f'{self.source.annotations} is empty: get the file again')
        self._index.check(len(self._images))
        listed = {found for found in self._files.values() if found}
        for folder in sorted({os.path.dirname(file) for file in listed}):
            if splits_of_path(Path(folder, 'x')) or not self._has_others:  # images of no other file
                for image in images_in(self.source.images / folder):
                    if (file := self._index.relative(image)) not in listed:
                        self.builder.note(f'left out: not in {self.source.annotations.name}', file, 'image')

    def _find_image(self, name: str, cells: Sequence[str], number: int) -> int | None:
        if name not in self._images:
            file = self._index.find(name, self._folders) or self._index.find_stem(name, self._folders)
            if file is None:
                self._index.note_absent(name, f'{self.name}:{number}')
                self._images[name] = None
            else:
                size = self._read_size(cells)
                self._images[name] = self.builder.add_image(file, size)
            self._files[name] = file
        return self._images[name]

    def _read_size(self, cells: Sequence[str]) -> ImageSize | None:
        assert self._columns is not None
        if self._columns.size is None or len(cells) != self._columns.number:
            return None
        return read_size(*(cells[place] for place in self._columns.size))


def _read_box(values: Sequence[str], is_sized: bool) -> shapes.Shape:
    numbers: Sequence[Any] = values
    if len(values) == 1:
        try:
            numbers = json.loads(values[0])
        except (ValueError, RecursionError):
            raise shapes.Unreadable('box that is no list of four numbers') from None
        if not isinstance(numbers, list) or len(numbers) != 4:
            raise shapes.Unreadable('box that is no list of four numbers')
    a, b, c, d = shapes.read_numbers(numbers, 'edges')
    return shapes.Shape((a, b, a + c, b + d) if is_sized else (a, b, c, d))
