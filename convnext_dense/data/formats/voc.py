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
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import NoData, UserError
from ...io.image_size import ImageSize
from ..check.records import NOTE, WARNING
from ..image_scan import ImageHeader, read_headers
from ..text import count_of, shortened
from .base import WHOLE, Content, Format, Places, Source
from .faults import Fault
from .text_files import read_text
from .voc_files import VocImage, find_images, read_file
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
        if data is None:
            return None
        return {
            split: Source(data.root, data.root, self.name, '' if split == WHOLE else split) for split in data.parts
        }

    def read_categories(self, source: Source) -> list[dict]:
        data, _ = _data_of(source)
        return _categories(_class_names(data, {}))

    def read(self, source: Source, needs_annotations: bool = True) -> Content:
        data, split = _data_of(source)
        images, faults = find_images(data, split, needs_annotations)
        return _Reading(data, split, images).read(faults, needs_annotations)

    def has_masks(self, source: Source) -> bool:
        data, split = _data_of(source)
        images, _ = find_images(data, split, True)
        return any(b'<polygon' in Path(image.annotations).read_bytes() for image in images if image.annotations)


def _data_of(source: Source) -> tuple[VocData, str]:
    data, split = locate(source.annotations), source.split or WHOLE
    if data is None or split not in data.parts:
        raise NoData(f'no Pascal VOC data of {split} at {source.annotations}: {VocFormat.expected}')
    return data, split


def _categories(names: Sequence[str]) -> list[dict]:
    return [{'id': number, 'name': name} for number, name in enumerate(names, 1)]


def _class_names(data: VocData, known: dict[str, Iterable[VocFile]]) -> list[str]:
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
                files = (read_file(image, data.root) for image in images if image.annotations)
            for file in files:
                used |= dict.fromkeys(one.name for one in file.objects if not one.is_deleted)
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


@dataclass
class _Reading:
    """The reading of a split."""

    data: VocData
    split: str
    images: Sequence[VocImage]
    content: Content = field(default_factory=Content)
    places: Places = field(default_factory=Places)
    found: dict[tuple[str, str, str], list[str]] = field(default_factory=dict)
    """Places by what a user should know of them: its message, part and level."""

    def read(self, faults: list[Fault], needs_annotations: bool) -> Content:
        content, root = self.content, self.data.root
        files = [read_file(image, root) if image.annotations else VocFile('', None, '', []) for image in self.images]
        names = _class_names(self.data, {self.split: files})
        content.categories, content.places = _categories(names), self.places
        ids = {name: number for number, name in enumerate(names, 1)}
        self._set_sizes(files)
        self._shifts = self._find_shifts(files)
        unreadable: dict[int, str] = {}
        ignored: dict[int, str] = {}
        for image, entry, file in zip(self.images, content.images, files, strict=True):
            where = os.path.relpath(image.annotations, root) if image.annotations else ''
            if file.filename and _stem(file.filename) not in (_stem(where), _stem(image.path)):
                self._note('taken for the image of its own name, not of its filename', where, 'XML file', NOTE)
            seen = set()
            for one in file.objects:
                place = f'{where}: {one.spot}'
                if one.is_deleted:
                    self._note('left out, deleted in the tool that wrote them', place, level=NOTE)
                    continue
                if one.name not in ids:
                    raise UserError(
                        f'{place} has the class {one.name}, which is not in {self.data.class_file}: '
                        'correct it, or add it there'
                    )
                key = (one.name, one.corners, str(one.polygons))
                if key in seen and not one.fault:
                    self._note('left out, a copy of another object of its image', place)
                    continue
                seen.add(key)
                number = self.places.add(where, one.spot)
                annotation = {'id': number, 'image_id': entry['id'], 'category_id': ids[one.name], 'iscrowd': 0}
                annotation |= self._shapes(one, file)
                content.annotations.append(annotation)
                if one.fault and 'segmentation' not in annotation:
                    unreadable[number] = one.fault
                if one.is_difficult:
                    ignored[number] = 'marked as difficult'
                if one.has_parts:
                    self._note('whose parts or actions are not learned', place, level=NOTE)
                if one.has_odd_flag:
                    self._note('whose difficult is neither 0 nor 1, taken as 0', place)
        if needs_annotations and not content.annotations:
            raise UserError(f'{root} has no objects in its {count_of(files, "XML file")}')
        content.unreadable, content.ignored = unreadable, ignored
        content.faults = faults + [
            Fault(message, places, part, level) for (message, part, level), places in self.found.items()
        ]
        return content

    def _note(self, message: str, place: str, part: str = 'object', level: str = WARNING) -> None:
        self.found.setdefault((message, part, level), []).append(place)

    def _set_sizes(self, files: Sequence[VocFile]) -> None:
        """Set the entries of the images; sizes are those of the files, as they are stored or upright."""
        root = self.data.root
        headers = read_headers([image.path for image in self.images])
        names = [os.path.relpath(image.path, root) for image in self.images]
        bad = [f'{name}: {header}' for name, header in zip(names, headers, strict=True) if isinstance(header, str)]
        if bad:
            raise UserError(
                f'{root}: {count_of(bad, "image")} that cannot be opened, so that the size is unknown '
                f'({shortened(bad, 3)}): get or remove them'
            )
        for number, (name, header, file) in enumerate(zip(names, headers, files, strict=True), 1):
            assert isinstance(header, ImageHeader)
            size: ImageSize = header.upright_size
            if file.size is not None and header.fits(file.size):
                size = file.size
            elif file.objects:
                what = 'another size than its image' if file.size is not None else 'no size'
                level = NOTE if file.size is None else WARNING
                self._note(f'fixed: with {what}, which is read from the image', name, 'image', level)
            entry = {'id': number, 'file_name': name, 'height': size.height, 'width': size.width}
            self.content.images.append(entry)

    def _find_shifts(self, files: Sequence[VocFile]) -> dict[str, tuple[float, float]]:
        """Return what is subtracted from the first and last corners, by the database of files."""
        lowest: dict[str, float] = {}
        for file in files:
            low = [min(one.corners[:2]) for one in file.objects if one.corners]
            lowest[file.database] = min([lowest.get(file.database, 1.0), *low])
        shifts = {database: _shift(database) for database in lowest}
        from_zero = [name for name, shift in shifts.items() if shift[0] and lowest[name] < 1]
        for name in from_zero:
            self._note('corners below 1, so all are taken as counted from 0', f'database {name}', 'database')
            shifts[name] = (0.0, 0.0)
        return shifts

    def _shapes(self, one: VocObject, file: VocFile) -> dict:
        """Return ``bbox`` and ``segmentation`` of an object, as far as it has any."""
        shapes: dict = {}
        first, last = self._shifts[file.database]
        polygons = [[number - first for number in polygon] for polygon in one.polygons]
        if polygons:
            shapes['segmentation'] = polygons
        if one.corners is not None:
            x, y, right, bottom = one.corners
            x, y = x - first, y - first
            shapes['bbox'] = [x, y, right - last - x, bottom - last - y]
        return shapes


def _stem(path: str) -> str:
    return os.path.splitext(re.split(r'[\\/]', path)[-1])[0]


def _shift(database: str) -> tuple[float, float]:
    if OWN_DATABASE.fullmatch(database):
        return 1.0, 0.0
    return (1.0, 1.0) if 'roboflow' in database.lower() else (0.0, 0.0)
