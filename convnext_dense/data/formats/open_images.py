"""Open Images: CSV files of boxes, in the layouts of its own site, of FiftyOne, of CVAT and of its downloaders."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ...counting import counted
from ...errors import NoData, UserError
from ...io.image_size import ImageSize
from ..check.records import NOTE
from ..image_files import EXTENSIONS, find_files
from ..image_scan import read_header
from ..text import quoted
from . import shapes
from .annotation_files import FOLDERS, list_places, split_of_file
from .base import Source
from .building import ContentBuilder
from .csv_rows import column_key, find_columns, first_row, read_rows
from .file_cache import kept_by_file
from .split_names import split_of_folders, splits_of_path
from .table_format import RowReader, TableFormat
from .values import read_integer

BOX_COLUMNS = ('imageid', 'labelname', 'xmin', 'xmax', 'ymin', 'ymax')
MASK_COLUMNS = ('maskpath', 'imageid')
CLASS_FILES = (
    '*class-descriptions-boxable.csv',
    '*classes-description-*.csv',
    'classes.csv',
    '*class-descriptions*.csv',
)
"""Lists of classes; the first ones that exist are taken."""
ALL_LABELS = CLASS_FILES[-1]
"""Lists that may have all 20,000 labels of images, most of which have no boxes."""
CLASS_FOLDERS = ('.', 'metadata', 'annotations', 'csv_folder', 'labels')
GROUP = 'isgroupof'


class OpenImagesFormat(TableFormat):
    """Boxes of Open Images, as fractions of the image; a group of objects is a crowd."""

    name = 'open_images'
    title = 'Open Images'
    expected = (
        '{train,validation}-annotations-bbox.csv and class-descriptions-boxable.csv, with images in {train,...}/'
    )
    is_upright = True
    files_title = 'CSV files of Open Images'
    file_names = 'train-annotations-bbox.csv and validation-annotations-bbox.csv'

    def is_own(self, path: Path) -> bool:
        return _has_columns(path, BOX_COLUMNS)

    def read_classes(self, source: Source) -> Mapping[str, str]:
        return _read_classes(source)

    def class_file(self, source: Source) -> Path | None:
        return _class_file(source)

    def row_reader(self, source: Source) -> RowReader:
        return _Reader(source)

    def places(self, root: Path) -> list[list[Path]]:
        return _places(root)

    def other_files(self, source: Source) -> Iterable[Path]:
        return filter(None, [_class_file(source)])


def _places(root: Path) -> list[list[Path]]:
    own = root / 'csv_folder'  # of OIDv4_ToolKit
    return [*list_places(root, '.csv'), *(list_places(own, '.csv') if own.is_dir() else [])]


def _has_columns(path: Path, columns: Iterable[str]) -> bool:
    return set(columns) <= {column_key(name) for name in first_row(path)}


def _class_file(source: Source) -> Path | None:
    beside = source.annotations.parent
    around = (beside, beside.parent) if beside.name.lower() in FOLDERS else (beside,)
    folders = [folder / name for folder in (*around, source.images) for name in CLASS_FOLDERS]
    for pattern in CLASS_FILES:
        for folder in folders:
            if files := sorted(file for file in folder.glob(pattern) if file.is_file()):
                return files[0]
    return None


def _read_classes(source: Source) -> dict[str, str]:
    """Return the names of classes by their labels, such as ``/m/011k07``.

    Of a list of all labels, and without a list, those are taken that occur in any split; without one, they are names.
    """
    file = _class_file(source)
    names: dict[str, str] = {}
    for number, cells in read_rows(file) if file else ():
        if len(cells) < 2 or not cells[0] or not cells[1]:
            raise UserError(f'{file}:{number} must be a label and a name: correct the line')
        if column_key(cells[0]) == 'labelname':  # since version 7
            continue
        if names.setdefault(cells[0], cells[1]) != cells[1]:
            raise UserError(f'{file}:{number} gives {cells[0]} another name than a line before: correct it')
    if file and any(file.match(pattern) for pattern in CLASS_FILES if pattern != ALL_LABELS):
        return names
    return {label: names.get(label, label) for label in OpenImagesFormat().used_labels(source, _used_labels)}


@kept_by_file
def _used_labels(path: Path) -> frozenset[str]:
    labels: set[str] = set()
    place = None
    for _, cells in read_rows(path):
        if place is None:
            place = _columns(path, cells)['labelname']
        elif len(cells) > place and cells[place]:
            labels.add(cells[place])
    return frozenset(labels)


def _columns(path: Path, header: list[str]) -> Mapping[str, int]:
    columns = find_columns(path, header)
    missing = [name for name in BOX_COLUMNS if name not in columns]
    if missing:
        raise UserError(f'{path} has no column {", ".join(missing)}: get the file again')
    return columns


class _Reader:
    """Reads the rows of a split one by one."""

    def __init__(self, source: Source) -> None:
        if not source.annotations.is_file():
            raise NoData(f'no annotations at {source.annotations}: {OpenImagesFormat.expected}')
        self.source = source
        self.classes = _read_classes(source)
        self.name = os.path.relpath(source.annotations, source.images)
        self.builder = ContentBuilder()
        self._files = _list_images(source, self.builder)
        self._read: dict[str, tuple[int, ImageSize | None]] = {}
        self._columns: Mapping[str, int] = {}
        self._count = 0
        self._absent: dict[str, int] = {}

    def read_row(self, number: int, cells: list[str]) -> None:
        if not self._columns:
            self._columns, self._count = _columns(self.source.annotations, cells), len(cells)
            return
        place = self._columns['imageid']
        image_id = cells[place] if place < len(cells) else ''
        if not image_id:
            self.builder.note('left out: without ImageID', f'{self.name}:{number}')
            return
        if image_id not in self._files and image_id.lower().endswith(EXTENSIONS):
            image_id = os.path.splitext(image_id)[0]
        if image_id not in self._files:
            self._absent[image_id] = self._absent.get(image_id, 0) + 1
            return
        if image_id not in self._read:
            file = self._files[image_id]
            header = read_header(os.path.join(self.source.images, file))
            size = None if isinstance(header, str) else header.upright_size
            self._read[image_id] = self.builder.add_image(file, size), size
        image, size = self._read[image_id]
        if len(cells) != self._count:
            reason = f'{len(cells)} cells rather than {self._count}'
            self.builder.add_object(image, None, (self.name, number), [], unreadable=reason)
            return
        self._add_object(image, size, number, {key: cells[place] for key, place in self._columns.items()})

    def _add_object(self, image: int, size: ImageSize | None, number: int, values: Mapping[str, str]) -> None:
        place = (self.name, number)
        if not values['labelname']:
            self.builder.add_object(image, None, place, [], unreadable='no LabelName')
            return
        label = self.classes.get(values['labelname'], values['labelname'])
        try:
            if size is None:
                raise shapes.Unreadable('image that cannot be opened')
            x1, x2, y1, y2 = shapes.read_numbers([values[key] for key in BOX_COLUMNS[2:]], 'edges')
            width, height = size.width, size.height
            box = shapes.Shape((x1 * width, y1 * height, x2 * width, y2 * height))
            self.builder.add_object(image, label, place, [box], is_crowd=self._is_group(values.get(GROUP, ''), number))
        except shapes.Unreadable as reason:
            self.builder.add_object(image, label, place, [], unreadable=str(reason))

    def finish(self) -> None:
        """Tell of images that are absent or have no row, and of masks.

        Raises:
            UserError: if no image is there.
        """
        path, root = self.source.annotations, self.source.images
        if not self._columns:
            raise UserError(f'{path} is empty: get the file again')
        if self._absent and not self._read:
            raise UserError(
                f'none of the {len(self._absent)} images that {path} lists is in {root} '
                f'({next(iter(self._absent))}.jpg): download some into it'
            )
        if self._absent:
            images, boxes = len(self._absent), sum(self._absent.values())
            lists = f'{counted(images, "image")} that {"are" if images > 1 else "is"} not there'
            self.builder.note(
                f'lists {lists}, left out with {counted(boxes, "box", "boxes")}', self.name, 'file', NOTE
            )
        split = split_of_file(self.source.annotations, root)
        for image_id, file in self._files.items():
            if image_id not in self._read and (not split or _split_of_folder(file) == split):
                self.builder.note(f'left out: not in {path.name}', file, 'image')
        for masks in {file for place in _places(root) for file in place}:
            if _has_columns(masks, MASK_COLUMNS) and splits_of_path(masks.relative_to(root)) <= {split}:
                self.builder.note('not read: it lists masks, and boxes alone are taken', masks.name, 'file')

    def _is_group(self, value: str, number: int) -> bool:
        flag = read_integer(value or '0')
        if flag not in (-1, 0, 1):  # -1: not known
            raise UserError(f'{self.source.annotations}:{number}: IsGroupOf is {quoted(value)}: write 0 or 1')
        return flag == 1


def _split_of_folder(file: str) -> str | None:
    return split_of_folders(Path(file).parent)


def _list_images(source: Source, builder: ContentBuilder) -> dict[str, str]:
    """Return the images by their id, the name without suffix; those in folders of other splits are left out."""
    split = split_of_file(source.annotations, source.images)
    found: dict[str, str] = {}
    files: list[Any] = [os.path.relpath(file, source.images) for file in find_files(source.images).images]
    of_split = [file for file in files if not split or _split_of_folder(file) in (split, None)]
    for file in sorted(of_split, key=lambda name: _split_of_folder(name) != split):
        if any('mask' in part.lower() for part in Path(file).parts[:-1]):
            continue
        image_id = os.path.splitext(os.path.basename(file))[0]
        if image_id not in found:
            found[image_id] = file
        elif _split_of_folder(found[image_id]) == _split_of_folder(file):  # of a downloader with a folder a class
            builder.note('left out: with the name of another one', file, 'image', NOTE)
    return found
