"""Pascal VOC: an XML file for each image, with boxes by their corners.

Pixels of the VOC's own data sets are counted from 1, and the last one is part of the box: a box has the width
xmax - xmin + 1. They are known by their ``database``, such as *The VOC2007 Database*. Roboflow and its library
supervision add 1 to all corners (database *roboflow.com* or *roboflow.ai*). All other tools, such as LabelImg, CVAT,
VoTT and Label Studio, write corners counted from 0, the width being xmax - xmin. A number below 1 tells that the
corners of a split are counted from 0 in any case.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...errors import NoData, UserError
from ...io.image_size import ImageSize
from ...io.progress import track
from ..check.records import NOTE, WARNING
from .base import WHOLE, Content, Format, Source, by_split
from .building import ContentBuilder, categories_of
from .faults import Fault
from .image_sizes import find_headers, relative
from .shapes import Shape
from .shapes import polygon as polygon_of
from .text_files import read_text
from .voc_files import VocImage, VocSummary, find_images, read_file, read_summary
from .voc_layout import VocData, locate
from .voc_xml import VocFile, VocObject

OWN_DATABASE = re.compile(r'The VOC\d{4} Database', re.IGNORECASE)


class VocFormat(Format):
    """XML files with boxes."""

    name = 'voc'
    title = 'Pascal VOC'
    expected = (
        'Annotations/*.xml with JPEGImages/ and ImageSets/Main/{train,val}.txt, or {train,valid}/ with XML files'
    )
    is_upright = True

    def find(self, root: Path) -> dict[str, Source] | None:
        data = locate(root)
        return None if data is None else by_split(Source(data.root, data.root, self.name), data.parts)

    def read_categories(self, source: Source) -> list[dict]:
        data, _ = _data_of(source)
        return categories_of(_class_names(data, {}))

    def read(self, source: Source, needs_annotations: bool = True) -> Content:
        data, split = _data_of(source)
        images, faults = find_images(data, split, needs_annotations)
        return _Reader(data, split, images).read(faults, needs_annotations)

    def has_masks(self, source: Source) -> bool:
        data, split = _data_of(source)
        images, _ = find_images(data, split, True)
        return any(read_summary(Path(image.annotations)).has_masks for image in images if image.annotations)


def _data_of(source: Source) -> tuple[VocData, str]:
    data, split = locate(source.annotations), source.split or WHOLE
    if data is None or split not in data.parts:
        raise NoData(f'no Pascal VOC data of {split} at {source.annotations}: {VocFormat.expected}')
    return data, split


def _class_names(data: VocData, known: Mapping[str, Sequence[VocFile | VocSummary]]) -> list[str]:
    """Return the names of a data set's class file, or those that occur in any split, sorted.

    Args:
        data: the data set.
        known: the files of splits that were read.
    """
    used: dict[str, None] = {}
    for split in data.parts:
        if split in known or data.class_file is None or data.class_file.name == 'labelmap.txt':
            files = known.get(split)
            if files is None:
                images, _ = find_images(data, split, False)
                files = [read_summary(Path(image.annotations)) for image in images if image.annotations]
            for file in files:
                used |= dict.fromkeys(file.names)
    if data.class_file is None:
        return sorted(used)
    names = _names_of_file(data.class_file)
    if 'background' not in used:
        names = [name for name in names if name != 'background']
    return names


def _names_of_file(file: Path) -> list[str]:
    text = read_text(file)
    if file.suffix == '.pbtxt':
        items = re.findall(r'item\s*\{([^}]*)\}', text)
        found = [(re.search(r'\bid\s*:\s*(\d+)', i), re.search(r"""\bname\s*:\s*(["'])(.*?)\1""", i)) for i in items]
        if not found or not all(number and name for number, name in found):
            raise UserError(
                f'{file} has no classes that can be read: write item {{ id: 1 name: "cat" }}, or remove it'
            )
        return [name[2] for _, name in sorted(found, key=lambda one: int(one[0][1]))]  # type: ignore[index]
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith('#')]
    names = [line.split(':')[0] for line in lines] if file.name == 'labelmap.txt' else lines
    if len(set(names)) < len(names):
        raise UserError(f'{file} has a class twice: remove one')
    return names


class _Reader:
    """Reads the files of a split."""

    def __init__(self, data: VocData, split: str, images: Sequence[VocImage]) -> None:
        self.data, self.split, self.images = data, split, images
        self.builder = ContentBuilder()

    def read(self, faults: list[Fault], needs_annotations: bool) -> Content:
        root = self.data.root
        images = track(self.images, 'reading labels')
        files = [read_file(image, root) if image.annotations else VocFile('', None, '', []) for image in images]
        names = _class_names(self.data, {self.split: files})
        self._add_images(files)
        shifts = self._find_shifts(files)
        for number, (image, file) in enumerate(zip(self.images, files, strict=True), 1):
            where = os.path.relpath(image.annotations, root) if image.annotations else ''
            if file.filename and _stem(file.filename) not in (_stem(where), _stem(image.path)):
                self.builder.note('taken for the image of its own name, not of its filename', where, 'XML file', NOTE)
            seen = set()
            for one in file.objects:
                place = f'{where}: {one.spot}'
                if one.is_deleted:
                    self.builder.note('left out, deleted in the tool that wrote them', place, 'object', NOTE)
                    continue
                key = (one.name, one.corners, str(one.polygons))
                if key in seen and not one.fault:
                    self.builder.note('left out, a copy of another object of its image', place, 'object')
                    continue
                seen.add(key)
                self._add_object(number, where, one, shifts[file.database])
        content = self.builder.build(root, names, needs_annotations, str(self.data.class_file))
        content.faults = faults + content.faults
        return content

    def _add_images(self, files: Sequence[VocFile]) -> None:
        """Add the images; sizes are those of the files, as they are stored or upright."""
        names = relative([image.path for image in self.images], self.data.root)
        headers = find_headers(names, self.data.root)
        for name, header, file in zip(names, headers, files, strict=True):
            if header is None:
                self.builder.add_image(name)
                continue
            size: ImageSize = header.upright_size
            if file.size is not None and header.fits(file.size):
                size = file.size
            elif file.objects:
                what = 'another size than its image' if file.size is not None else 'no size'
                level = NOTE if file.size is None else WARNING
                self.builder.note(f'fixed: with {what}, which is read from the image', name, 'image', level)
            self.builder.add_image(name, size)

    def _add_object(self, image: int, where: str, one: VocObject, shift: tuple[float, float]) -> None:
        place, (first, last) = f'{where}: {one.spot}', shift
        polygons = [[number - first for number in polygon] for polygon in one.usable_polygons]
        shapes: list[Shape] = []
        fault = one.fault
        if one.corners is not None:
            x, y, right, bottom = one.corners
            corners = (x - first, y - first, right - last, bottom - last)
            shapes = [Shape(corners, polygon) for polygon in polygons] or [Shape(corners)]
        elif polygons:
            shapes = [polygon_of(list(zip(one[::2], one[1::2], strict=True))) for one in polygons]
            self.builder.note(f'fixed: {fault}, taken from the polygon', place, 'object')
            fault = ''
        ignored = 'marked as difficult' if one.is_difficult else ''
        self.builder.add_object(image, one.name, (where, one.spot), shapes, unreadable=fault, ignored=ignored)
        if one.has_parts:
            self.builder.note('whose parts or actions are not learned', place, 'object', NOTE)
        if one.has_odd_flag:
            self.builder.note('whose difficult is neither 0 nor 1, taken as 0', place, 'object')

    def _find_shifts(self, files: Sequence[VocFile]) -> dict[str, tuple[float, float]]:
        """Return what is subtracted from the first and last corners, by the database of files."""
        lowest: dict[str, float] = {}
        for file in files:
            low = [min(one.corners[:2]) for one in file.objects if one.corners]
            lowest[file.database] = min([lowest.get(file.database, 1.0), *low])
        shifts = {database: _shift(database) for database in lowest}
        from_zero = [name for name, shift in shifts.items() if shift[0] and lowest[name] < 1]
        for name in from_zero:
            message = 'corners below 1, so all are taken as counted from 0'
            self.builder.note(message, f'database {name}', 'database')
            shifts[name] = (0.0, 0.0)
        return shifts


def _stem(path: str) -> str:
    return os.path.splitext(re.split(r'[\\/]', path)[-1])[0]


def _shift(database: str) -> tuple[float, float]:
    if OWN_DATABASE.fullmatch(database):
        return 1.0, 0.0
    return (1.0, 1.0) if 'roboflow' in database.lower() else (0.0, 0.0)
