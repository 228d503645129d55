"""Records of two runs, image by image, if they can be compared."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...errors import UserError
from ..record_file import RunInfo, RunRecords
from ..records import ClassifiedImage, DetectedImage, PanopticImage, SegmentedImage, same_images
from ..segmentation import has_boundary_counts
from .shown import named_some

KIND_WORDS: Mapping[type, str] = {
    ClassifiedImage: 'classified images',
    DetectedImage: 'detected objects',
    PanopticImage: 'panoptic segments',
    SegmentedImage: 'segmented pixels',
}


@dataclass(frozen=True, eq=False)
class PairedRuns:
    """Two runs on the same N images, in the same order.

    Attributes:
        info: of both runs, before and after.
        records: of both, N each.
        overlaps: of masks in both; None if masks are not compared.
        notes: what was left out to make them comparable.
    """

    info: tuple[RunInfo, RunInfo]
    records: tuple[Sequence[Any], Sequence[Any]]
    overlaps: tuple[Sequence[np.ndarray], Sequence[np.ndarray]] | None
    notes: Sequence[str]

    @property
    def classes(self) -> Sequence[str]:
        """Names of the K classes."""
        return self.info[0].classes

    @property
    def kind(self) -> type:
        """Type of the records."""
        return type(self.records[0][0])


def pair_runs(before: RunRecords, after: RunRecords, names: tuple[str, str]) -> PairedRuns:
    """Pair the images of two runs.

    Where no path is in both runs, paths within the folder of all images of a run are compared, so that data may have
    been moved. Numbers that only one run has are left out: those of boundaries, and of masks.

    Args:
        before: the first run.
        after: the second run.
        names: of the runs, for messages.

    Raises:
        UserError: if a run has no images, or the runs differ in their tasks, classes, images or ground truth.
    """
    for run, name in zip((before, after), names, strict=True):
        if not run.records:
            raise UserError(f'{name} was tested on no image: diagnose it on data that can be read')
    kinds = [KIND_WORDS[type(run.records[0])] for run in (before, after)]
    if kinds[0] != kinds[1]:
        raise UserError(f'{names[0]} has {kinds[0]} and {names[1]} {kinds[1]}: compare runs of the same task')
    _check_classes(before.info, after.info, names)
    notes: list[str] = []
    first, second = _comparable_paths(before.records, after.records, notes)
    pairs = same_images(first, second)
    one, other = ([pair[k] for pair in pairs] for k in (0, 1))
    overlaps = None
    if isinstance(one[0], DetectedImage):
        overlaps = _paired_overlaps(before, after, first, second, one)
        if overlaps is None and (before.mask_overlaps is None) != (after.mask_overlaps is None):
            notes.append('Boxes are compared, since only one of the runs has masks.')
    if isinstance(one[0], SegmentedImage) and has_boundary_counts(one) != has_boundary_counts(other):
        one, other = ([replace(image, boundaries=None) for image in images] for images in (one, other))
        notes.append('Boundaries are left out, since only one of the runs has them.')
    if before.info.weights != after.info.weights:
        notes.append(f'The first run has the {before.info.weights} weights, the second the {after.info.weights} ones.')
    return PairedRuns((before.info, after.info), (one, other), overlaps, notes)


def _check_classes(before: RunInfo, after: RunInfo, names: tuple[str, str]) -> None:
    first, second = list(before.classes), list(after.classes)
    same = 'compare runs that were trained on the same classes, in the same order'
    for own, others, name, other in ((first, second, *names), (second, first, *names[::-1])):
        if missing := [one for one in own if one not in others]:
            raise UserError(f'{name} has classes that {other} has not ({named_some(missing)}): {same}')
    if first != second:
        place = next((k for k, (one, two) in enumerate(zip(first, second, strict=False)) if one != two), 0)
        raise UserError(
            f'the classes are in another order: number {place} is {first[place]} in {names[0]}, and {second[place]} '
            f'in {names[1]}: {same}'
        )
    if before.things != after.things:
        raise UserError(
            f'{before.things} of the classes are things in {names[0]}, and {after.things} in {names[1]}: {same}'
        )


def _comparable_paths(before: Sequence[Any], after: Sequence[Any], notes: list[str]) -> tuple[list[Any], list[Any]]:
    """Return records whose paths can be compared."""
    paths = [[record.path for record in records] for records in (before, after)]
    if not set(paths[0]) & set(paths[1]):
        folders = [_common_folder(own) for own in paths]
        within = [[os.path.relpath(path, folder) for path in own] for own, folder in zip(paths, folders, strict=True)]
        if set(within[0]) == set(within[1]):
            notes.append(f'Images are the same if their paths within {folders[0]} and {folders[1]} are.')
            first, second = (
                [replace(record, path=path) for record, path in zip(records, own, strict=True)]
                for records, own in zip((before, after), within, strict=True)
            )
            return first, second
    return list(before), list(after)


def _common_folder(paths: Sequence[str]) -> str:
    """Return the folder that all files are in."""
    try:
        return os.path.commonpath([os.path.dirname(path) for path in paths]) or '.'
    except ValueError:  # absolute and relative ones
        return '.'


def _paired_overlaps(
    before: RunRecords, after: RunRecords, first: Sequence[Any], second: Sequence[Any], order: Sequence[Any]
) -> tuple[list[np.ndarray], list[np.ndarray]] | None:
    if before.mask_overlaps is None or after.mask_overlaps is None:
        return None
    by_path = [
        {record.path: overlap for record, overlap in zip(records, run.mask_overlaps or (), strict=True)}
        for records, run in ((first, before), (second, after))
    ]
    one, other = ([own[record.path] for record in order] for own in by_path)
    return one, other
