"""YOLO data sets, as Ultralytics, Darknet, Roboflow, CVAT, Label Studio and LabelImg write them.

A label file has a line for each object: the id of the class and a box, as center, width and height, or the points of a
polygon. All are fractions of the width and height of the upright image. Four points are a polygon, also where they are
meant as a rotated box, which looks the same.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...errors import NoData, UserError
from ...io.progress import track
from ..check.records import NOTE, WARNING
from ..text import count_of, shortened
from .base import WHOLE, Content, Format, Places, Source, by_split
from .faults import Fault
from .image_sizes import STAND_IN, find_headers, relative
from .yolo_data import YoloData
from .yolo_files import LabelFiles, find_images
from .yolo_labels import Label, has_polygon, read_labels
from .yolo_layout import locate
from .yolo_names import ClassNames

DIGITS = 6
"""Decimal places of pixels, so that 0.1 x 240 is 24 and not 24.000000000000004."""
IN_PIXELS = 2.0
"""Coordinate, in images, from which a line is in pixels rather than fractions, if most are."""
MISFIT = 0.5
"""Share of lines in pixels from which the data set is refused."""
SLACK = 0.01
"""What a box may extend beyond its image, in images."""
BEYOND, INSIDE = 0.1, 0.99
"""Share of boxes beyond their images for which others are tried, and of those inside in a convention that is named."""
FEW_LABELS = 0.5
"""Share of images without a label file above which this is a warning."""


class YoloFormat(Format):
    """Label files with a line for each object."""

    name = 'yolo'
    title = 'YOLO'
    expected = 'data.yaml with names, train and val, or images/{train,val} and labels/{train,val} with classes.txt'
    is_upright = True

    def find(self, root: Path) -> dict[str, Source] | None:
        data = locate(root)
        return None if data is None else by_split(Source(data.file, data.root, self.name), data.splits)

    def read_categories(self, source: Source) -> list[dict]:
        return _categories(_data_of(source, needs_images=False)[0].require_classes())

    def read(self, source: Source, needs_annotations: bool = True) -> Content:
        data, split = _data_of(source)
        images, faults = find_images(data, split)
        if data.classes is None and not needs_annotations:
            return _Reading(data, images, LabelFiles()).without_labels(faults)
        return _Reading(data, images, LabelFiles()).read(faults, needs_annotations)

    def files(self, source: Source) -> Iterator[tuple[str, os.stat_result]]:
        data, split = _data_of(source)
        images, labels = find_images(data, split)[0], LabelFiles()
        lists = [str(entry) for entry in data.splits[split] if entry.is_file()]
        named = [str(file) for file in (data.file, *data.read)]
        for file in dict.fromkeys([*named, *lists, *images, *labels.around(images)]):
            if os.path.exists(file):
                yield file, os.stat(file)

    def has_masks(self, source: Source) -> bool:
        data, split = _data_of(source)
        labels = LabelFiles()
        files = (labels.find(image) for image in find_images(data, split)[0])
        return any(has_polygon(_read(file), data.keypoints) for file in files if file)


def _data_of(source: Source, needs_images: bool = True) -> tuple[YoloData, str]:
    data, split = locate(source.annotations), source.split or WHOLE
    if data is None or split not in data.splits:
        raise NoData(f'no YOLO data of {split} at {source.annotations}: {YoloFormat.expected}')
    if needs_images and split in data.absent:  # another split may be all that is needed
        raise UserError(data.absent[split])
    return data, split


def _categories(classes: ClassNames) -> list[dict]:
    return [{'id': number, 'name': name} for number, name in sorted(classes.names.items())]


def _read(file: str) -> bytes:
    try:
        with open(file, 'rb', buffering=0) as content:
            return content.readall()
    except OSError as error:
        raise UserError(f'{file} cannot be read ({error.strerror})') from None


@dataclass
class _Reading:
    """The reading of a split."""

    data: YoloData
    images: Sequence[str]
    labels: LabelFiles
    content: Content = field(default_factory=Content)
    places: Places = field(default_factory=Places)
    unreadable: dict[int, str] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    """What is wrong with the class of a line, by its place."""
    found: dict[str, list[str]] = field(default_factory=dict)
    """Places by what a user should know of them."""
    fractions: array = field(default_factory=lambda: array('d'))
    """Four numbers of each box."""
    in_pixels: list[str] = field(default_factory=list)

    def without_labels(self, faults: list[Fault]) -> Content:
        self._read_sizes()
        self.content.faults = faults
        return self.content

    def read(self, faults: list[Fault], needs_annotations: bool) -> Content:
        classes = self.data.require_classes()
        content, root = self.content, self.data.root
        content.categories, content.places, content.unreadable = _categories(classes), self.places, self.unreadable
        self._read_sizes()
        files = [self.labels.find(image) for image in self.images]
        without = [image['file_name'] for image, file in zip(content.images, files, strict=True) if file is None]
        if needs_annotations and len(without) == len(files):
            searched = shortened(self.labels.places(), 4)
            raise UserError(
                f'none of {count_of(files, "image")} of {self.data.file} has a label file of its name, with .txt, '
                f'in {searched}: put the labels there'
            )
        ids = {number: number for number in classes.names}
        labeled = [(image, file) for image, file in zip(content.images, files, strict=True) if file is not None]
        names = relative([file for _, file in labeled], root)
        for (image, file), name in track(list(zip(labeled, names, strict=True)), 'reading labels'):
            self._read_file(image, _read(file), name, ids)
        self._check(classes)
        if needs_annotations and not content.annotations:
            raise UserError(f'{self.data.file} has no objects: all {count_of(files, "label file")} are empty')
        level = WARNING if len(without) > FEW_LABELS * len(files) else NOTE
        content.faults = [
            *faults,
            Fault('fixed: path of another place', self.data.moved, 'entry', NOTE),
            Fault('without a label file, so without objects', without, 'image', level),
            Fault('with the labels of another one, of the same name with another suffix', self._twins(files), 'image'),
            Fault('without an image, left out', relative(self.labels.without_image(), root), 'label file'),
            *(Fault(message, places, 'line') for message, places in self.found.items()),
        ]
        content.faults = [fault for fault in content.faults if fault.ids]
        return content

    def _read_sizes(self) -> None:
        names = relative(self.images, self.data.root)
        headers = find_headers(names, self.data.root)
        for number, (name, header) in enumerate(zip(names, headers, strict=True), 1):
            size = {} if header is None else header.upright_size._asdict()
            self.content.images.append({'id': number, 'file_name': name, **size})

    def _read_file(self, image: Mapping, content: bytes, name: str, ids: Mapping[int, int]) -> None:
        seen = set()
        width, height = (image.get(side, getattr(STAND_IN, side)) for side in ('width', 'height'))
        for label in read_labels(content, name, ids, self.data.keypoints):
            if label.class_id is None:
                self.unknown[f'{name}:{label.line}'] = label.fault
                continue
            key = (label.class_id, label.numbers)
            if key in seen and not label.fault:
                self._note('left out, a copy of another line of its file', name, label)
                continue
            if not label.fault:
                seen.add(key)
            number = self.places.add(name, label.line)
            one = {'id': number, 'image_id': image['id'], 'category_id': label.class_id, 'iscrowd': 0}
            numbers = label.numbers
            if label.fault:
                self.unreadable[number] = label.fault
            if label.has_keypoints:
                self._note('used as a box, without its keypoints', name, label)
            if numbers and max(numbers) > IN_PIXELS:
                self.in_pixels.append(f'{name}:{label.line}')
            if len(numbers) == 4:
                self.fractions.extend(numbers)
                x, y, w, h = numbers
                box = ((x - w / 2) * width, (y - h / 2) * height, w * width, h * height)
                one['bbox'] = [round(side, DIGITS) for side in box]
            elif numbers:
                xs = [round(x * width, DIGITS) for x in numbers[::2]]
                ys = [round(y * height, DIGITS) for y in numbers[1::2]]
                left, top = min(xs), min(ys)
                one['bbox'] = [left, top, round(max(xs) - left, DIGITS), round(max(ys) - top, DIGITS)]
                one['segmentation'] = [[side for point in zip(xs, ys, strict=True) for side in point]]
            self.content.annotations.append(one)

    def _note(self, message: str, name: str, label: Label) -> None:
        self.found.setdefault(message, []).append(f'{name}:{label.line}')

    def _check(self, classes: ClassNames) -> None:
        """Check the classes and the convention of all lines.

        Raises:
            UserError: for an unknown class, and for numbers that aren't YOLO's.
        """
        if self.unknown:
            place, fault = next(iter(self.unknown.items()))
            others = f', as {len(self.unknown) - 1} other lines' if len(self.unknown) > 1 else ''
            raise UserError(
                f'{place} {fault}, and {classes.file} has the classes {classes.ids}{others}: '
                'correct the labels or the names'
            )
        total = len(self.content.annotations)
        if len(self.in_pixels) > MISFIT * total:
            raise UserError(
                f'{self.data.file}: {len(self.in_pixels)} of {total} labels are in pixels '
                f'({shortened(self.in_pixels, 3)}): YOLO has fractions of the image, divide x by its width and y by '
                'its height'
            )
        if convention := _other_convention(np.array(self.fractions).reshape(-1, 4)):
            raise UserError(
                f'{self.data.file}: its boxes are probably {convention}, since as center, width and height many would '
                'extend beyond their images: convert them to x y width height of the center'
            )

    def _twins(self, files: Sequence[str | None]) -> list[str]:
        """Return the names of images whose label file is also that of another one."""
        first, twins = set(), []
        for image, file in zip(self.content.images, files, strict=True):
            if file is not None and file in first:
                twins.append(image['file_name'])
            first.add(file)
        return twins


def _other_convention(boxes: np.ndarray) -> str | None:
    """Tell from boxes (N, 4), fractions of the image, whether they are rather in a convention of corners."""
    boxes = boxes[(np.abs(boxes) < IN_PIXELS).all(axis=1) & (boxes[:, 2:] > 0).all(axis=1)]
    if not len(boxes):
        return None

    def inside(low: np.ndarray, high: np.ndarray) -> float:
        return float(np.mean(((low >= -SLACK) & (high <= 1 + SLACK) & (high > low)).all(axis=1)))

    first, second = boxes[:, :2], boxes[:, 2:]
    if inside(first - second / 2, first + second / 2) >= 1 - BEYOND:
        return None
    found = []
    if inside(first, second) >= INSIDE:
        found.append('corners x1 y1 x2 y2')
    if inside(first, first + second) >= INSIDE:
        found.append('x y width height of the upper left corner')
    return ' or '.join(found) or None
