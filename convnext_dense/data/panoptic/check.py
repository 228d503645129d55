"""Read panoptic COCO files for a check."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import NoData, UserError
from ...io.image_size import ImageSize
from ...io.panoptic import VOID, PanopticTruth, Segment, Segments, read_segments
from ...tiling.settings import TileSettings
from ..check.records import NOTE, PROBLEM, WARNING, DatasetRecords, Finding, ImageRecord, SplitRecords
from ..class_choice import as_choice
from ..detection.categories import check_known_names
from ..detection.coco_images import UNOPENED
from ..image_scan import ImageScan
from ..text import count_of
from .files import PanopticFiles
from .join import join_classes
from .read import PanopticData, PanopticImage, read_panoptic
from .selection import select_for_training, select_part

RESTORE = 'restore them, or remove their images and annotations'


@dataclass
class PanopticRecords(DatasetRecords):
    """Records of panoptic COCO files, with the PNG file of an image as its mask, whose labels are ids of segments."""

    unit = 'segments'
    thing_classes: list[str] = field(default_factory=list)
    """Names of the classes that are things, the first ones."""
    stuff_classes: list[str] = field(default_factory=list)
    """Names of the other classes."""
    truths: dict[str, PanopticTruth] = field(default_factory=dict)
    """What is annotated for each PNG file, by its path."""

    def read_mask(self, mask: str) -> np.ndarray:
        return read_segments(self.truths[mask]).ids

    def read_segments(self, record: ImageRecord) -> Segments:
        """Read the segments of an image, with their pixels.

        Raises:
            UserError: if the PNG file can't be read, or does not fit its annotations.
        """
        return read_segments(self.truths[str(record.mask)])

    def count_classes(self, image: ImageRecord, scan: ImageScan) -> dict[int, int]:
        return dict(Counter(segment['label'] for segment in image.segments if not segment['iscrowd']))

    def check_ground_truth(self, split: SplitRecords, scans: Sequence[ImageScan]) -> Iterable[Finding]:
        """Find PNG files that can't be read or do not fit their annotations, and say how the pixels are divided."""
        faulty, empty, wrong = _Items(), _Items(), _Items()
        pixels = Counter[str]()
        for image, scan in zip(split.images, scans, strict=True):
            mask, counts = str(image.mask), scan.label_counts
            if counts is None:
                faulty.add(image.path, _fault_of(self.truths[mask]))
                continue
            for segment in image.segments:
                number, area = counts.get(segment['id'], 0), segment['area']
                if not number:
                    empty.add(image.path, f'{mask}: {segment["id"]}')
                elif area is not None and area != number:
                    wrong.add(image.path, f'{mask}: {segment["id"]} ({number} pixels, annotations: {area})')
                pixels[self._part_of(segment)] += number
            pixels['unlabeled'] += counts.get(VOID, 0)
        yield from faulty.finding(PROBLEM, split.name, 'PNG file', "that can't be used", RESTORE)
        fix = 'they are not learned, and always missed in evaluation: remove them from the JSON file'
        yield from empty.finding(WARNING, split.name, 'segment', 'without a pixel', fix)
        fix = 'the pixels are counted: correct area'
        yield from wrong.finding(WARNING, split.name, 'segment', 'of another area than annotated', fix)
        total = sum(pixels.values())
        if total:
            parts = [f'{pixels[part] / total:.1%} {part}' for part in ('things', 'stuff', 'crowds', 'unlabeled')]
            yield Finding(NOTE, split.name, f'pixels: {", ".join(parts)}')

    def _part_of(self, segment: Segment) -> str:
        if segment['iscrowd']:
            return 'crowds'
        return 'things' if segment['label'] < len(self.thing_classes) else 'stuff'


class _Items:
    """Affected parts of images, with the images."""

    def __init__(self) -> None:
        self.items: list[str] = []
        self.images: dict[str, None] = {}

    def add(self, image: str, item: str) -> None:
        self.items.append(item)
        self.images[image] = None

    def finding(self, level: str, split: str, noun: str, message: str, fix: str) -> Iterator[Finding]:
        if self.items:
            yield Finding(level, split, f'{count_of(self.items, noun)} {message}', fix, self.items, list(self.images))


def _fault_of(truth: PanopticTruth) -> str:
    try:
        read_segments(truth)
    except UserError as error:
        return str(error)
    return f'{truth["segments_file"]} changed during the check'


def read_panoptic_files(sources: Mapping[str, Mapping]) -> PanopticRecords:
    """Read panoptic COCO files and list all problems with them, without opening the PNG files.

    Classes are those of the first file, others are joined by name.

    Args:
        sources: arguments of :class:`~convnext_dense.data.panoptic.dataset.PanopticDataset`, ``annotations``,
            ``images``, ``segments`` and optionally others, for ``'train'``, ``'val'`` or both.

    Raises:
        NoData: if a file does not exist.
    """
    data = PanopticRecords([])
    contents: dict[PanopticFiles, PanopticData] = {}  # of two parts of a file, it is read once
    for name, source in sources.items():
        files = PanopticFiles(*(Path(source[key]) for key in PanopticFiles._fields))
        data.locations.append(str(files.annotations))
        data.splits.append(SplitRecords(name))
        if not files.annotations.exists():
            raise NoData(
                f'no annotations at {files.annotations}: give another root with --data PATH, or take --data sample'
            )
        try:
            is_new = files not in contents
            if is_new:
                contents[files] = read_panoptic(files, as_choice(source.get('choice')), skips_bad=True)
            content = contents[files]
            data.findings += _findings(name, content, source) if is_new else []
            if source.get('subset'):
                content, split, notes = select_part(content, source['subset'], str(files.images))
                data.findings += [Finding(NOTE, '', split.line)] if split and is_new else []
                data.findings += [Finding(WARNING, name, note) for note in notes]
            _add_records(data, name, files, content, source)
        except UserError as error:
            data.findings.append(Finding.of_error(name, error))
    return data


def _add_records(
    data: PanopticRecords, name: str, files: PanopticFiles, content: PanopticData, source: Mapping[str, Any]
) -> None:
    """Add the images of a split; its classes are those of the data, if there are any yet."""
    classes, things = data.classes or source.get('classes'), data.thing_classes or source.get('thing_classes')
    if data.classes:
        check_known_names(content.classes, content.name, data.classes, data.splits[0].name)
    joined = join_classes(files.annotations, content, classes, things if classes else None)
    data.classes, data.thing_classes = list(joined.classes), list(joined.thing_classes)
    data.stuff_classes = list(joined.stuff_classes)
    labels = [data.classes.index(one) for one in content.classes]
    is_training = name == 'train' and not source.get('test_mode')
    used = None
    if is_training:
        rules, pipeline = source.get('filter_cfg'), source.get('pipeline', ())
        tiles = TileSettings.of(source.get('tiles'))
        tile = None if tiles is None else tiles.size
        selected = select_for_training(content, rules, pipeline, source.get('least_side', 0), tile)
        used = {one.image['id'] for one in selected.images}
        data.findings += _left_out(name, str(files.images), selected.empty, 'without a thing to learn', '')
        data.findings += _left_out(name, str(files.images), selected.small, 'too small', '')
        advice = 'cut them into parts'
        data.findings += _left_out(name, str(files.images), selected.thin, 'too thin for the anchors', advice)
        if not selected.images:
            data.findings.append(Finding(PROBLEM, name, 'no image is left to learn from', 'see the other findings'))
    for image, truth, _ in content.images:
        segments = [Segment(**{**one, 'label': labels[one['label']]}) for one in truth['segments']]
        path, mask = os.path.join(files.images, image['file_name']), truth['segments_file']
        data.truths[mask] = PanopticTruth(**{**truth, 'segments': segments, 'things': len(data.thing_classes)})
        size, is_read = ImageSize(image['height'], image['width']), used is None or image['id'] in used
        data.splits[-1].images.append(ImageRecord(path, mask=mask, size=size, is_read=is_read, segments=segments))
    records = data.splits[-1].images
    if records and not any(not one['iscrowd'] for record in records for one in record.segments):
        message = f'{files.annotations} has no segment of a class but crowds'
        data.findings.append(Finding(PROBLEM, name, message, 'there is nothing to learn or measure: add some'))
    unlabeled = [record.path for record in records if not record.segments]
    if unlabeled:
        data.findings.append(
            Finding(
                WARNING, name, f'{count_of(unlabeled, "image")} without a segment of a class', '', unlabeled, unlabeled
            )
        )


def _findings(split: str, content: PanopticData, source: Mapping[str, Any]) -> Iterator[Finding]:
    if content.choice_line:
        yield Finding(NOTE, split, content.choice_line)
    for fault in content.faults:
        is_problem = fault.message == UNOPENED and source.get('on_bad_image') != 'skip'
        fix = 'get or remove them, or leave them out with --on-bad-image skip' if is_problem else ''
        yield Finding(PROBLEM if is_problem else fault.level, split, fault.line, fix, fault.items)


def _left_out(split: str, folder: str, images: Sequence[PanopticImage], why: str, advice: str) -> Iterator[Finding]:
    if images:
        paths = [os.path.join(folder, one.image['file_name']) for one in images]
        message = f'{count_of(paths, "image")} {why}, left out in training'
        yield Finding(WARNING if advice else NOTE, split, message, advice, paths, paths)
