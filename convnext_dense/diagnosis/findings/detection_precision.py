"""Average precision of a detector with intervals: of all objects, by size and by aspect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..average_precision import average_precision_measure, group_precision_measure
from ..content import Cell, Column, Section, Table, Text
from ..intervals import RESAMPLES
from ..matching import ASPECTS, SIZES, Matches, match_objects
from ..overlaps import object_overlaps
from ..records import DetectedImage
from . import shown
from .base import GroupFacts
from .detection_analysis import DetectionAnalysis
from .shown import Intervals, percent

SIZE_ENDINGS = {'small': 's', 'medium': 'm', 'large': 'l'}
PREDICTIONS_WITH_ALL_RESAMPLES = 1_000_000
"""Predictions up to which all resamples are drawn."""
PREDICTIONS_WITH_ALL_RESAMPLES_OF_GROUPS = 250_000
"""Predictions up to which all are drawn for sizes and aspects, which take as long each as all objects."""
LEAST_RESAMPLES = 100
FEW_IMAGES, FEW_IMAGES_HELD = 50, 86
"""Images, and percent of drawn data sets of as many whose interval of AP held that of many images, as measured by
``benchmarks/diagnosis.py``."""
CLEAR_GAP = 10.0
"""Points of AP between groups of objects from which a sentence tells of it."""
LEAST_SHARE = 5.0
"""Percent of the objects below which a group is not told of."""


@dataclass(frozen=True, eq=False)
class Precision:
    """AP of a detector.

    Attributes:
        prefix: ``'box'`` or ``'mask'``.
        intervals: by metric and class.
        resamples: from how many.
        group_resamples: from how many those of sizes and aspects are.
        sizes: of small, medium and large objects.
        aspects: of tall, square and wide ones.
    """

    prefix: str
    intervals: Intervals
    resamples: int
    group_resamples: int
    sizes: dict[str, GroupFacts]
    aspects: dict[str, GroupFacts]


def object_groups(
    records: Sequence[DetectedImage], classes: int, masks: bool, overlaps: Sequence[np.ndarray]
) -> dict[str, Matches]:
    """Match the objects of each size and aspect, by the ending of the name of their AP."""
    ranges = {SIZE_ENDINGS[name]: within for name, within in SIZES.items()} | ASPECTS
    return {
        name: match_objects(records, overlaps, classes, masks=masks, within=within) for name, within in ranges.items()
    }


def resamples_for(predictions: int, resamples: int, whole: int = PREDICTIONS_WITH_ALL_RESAMPLES) -> int:
    """Return how many resamples are drawn: fewer than asked for if there are many predictions."""
    return min(resamples, max(resamples * whole // max(predictions, whole), LEAST_RESAMPLES))


def precision_of(analysis: DetectionAnalysis, resamples: int = RESAMPLES) -> Precision:
    """Compute AP with intervals, of the matches that an analysis has."""
    return _precision(
        analysis.records, analysis.classes, analysis.masks, analysis.overlaps, analysis.matches, resamples
    )


def box_precision(records: Sequence[DetectedImage], classes: Sequence[str], resamples: int = RESAMPLES) -> Precision:
    """Compute AP of boxes with intervals, for instances."""
    overlaps = [object_overlaps(image) for image in records]
    return _precision(records, classes, False, overlaps, match_objects(records, overlaps, len(classes)), resamples)


def _precision(
    records: Sequence[DetectedImage],
    classes: Sequence[str],
    masks: bool,
    overlaps: Sequence[np.ndarray],
    matches: Matches,
    resamples: int,
) -> Precision:
    prefix = 'mask' if masks else 'box'
    predictions = len(matches.scores)
    groups = object_groups(records, len(classes), masks, overlaps)
    of_all, of_groups = (
        resamples_for(predictions, resamples, whole)
        for whole in (PREDICTIONS_WITH_ALL_RESAMPLES, PREDICTIONS_WITH_ALL_RESAMPLES_OF_GROUPS)
    )
    intervals = {
        **shown.intervals_of(average_precision_measure(matches, classes, prefix), of_all),
        **shown.intervals_of(group_precision_measure(groups, prefix), of_groups),
    }

    def facts(endings: dict[str, str]) -> dict[str, GroupFacts]:
        counts = {name: int(groups[ending].objects.sum()) for name, ending in endings.items()}
        return {
            name: GroupFacts(
                counts[name],
                shown.share(counts[name], sum(counts.values())) or 0.0,
                shown.defined(intervals[f'{prefix}_AP{ending}', None].value),
            )
            for name, ending in endings.items()
        }

    return Precision(
        prefix, intervals, of_all, of_groups, facts(SIZE_ENDINGS), facts({name: name for name in ASPECTS})
    )


def precision_section(of_kinds: Sequence[Precision], images: int) -> Section:
    """Return the section of AP, of masks and boxes or of boxes.

    Args:
        of_kinds: the main kind first.
        images: their number.
    """
    main = of_kinds[0]
    columns = [
        Column('Objects of'),
        Column('Objects', 'count'),
        Column('Share', 'percent', 'of all objects'),
    ]
    for one in of_kinds:
        text = f'average precision of {"masks" if one.prefix == "mask" else "boxes"}'
        columns += shown.interval_columns(f'{one.prefix} AP', text)
    total = sum(group.objects for group in main.sizes.values())
    kinds: list[tuple[str, str, GroupFacts | None]] = [
        ('all kinds, IoU 0.5 to 0.95', '', None),
        ('all kinds, IoU 0.5', '50', None),
        ('all kinds, IoU 0.75', '75', None),
        *((f'{name} size', SIZE_ENDINGS[name], group) for name, group in main.sizes.items()),
        *((f'{name} shape', name, group) for name, group in main.aspects.items()),
    ]
    rows: list[list[Cell]] = []
    for name, ending, group in kinds:
        rows.append([name, total if group is None else group.objects, 100.0 if group is None else group.share])
        for one in of_kinds:
            rows[-1] += shown.interval_cells(one.intervals, f'{one.prefix}_AP{ending}', None)
    fewer = f' Those of sizes and shapes are from {main.group_resamples}.'
    fewer = fewer if main.group_resamples < main.resamples else ''
    note = (
        'AP is that of COCO, in percent, in all rows but two the mean over IoU 0.5 to 0.95. Small is up to 32 x 32 '
        'pixels, large above 96 x 96; tall and wide is a ratio of the sides of more than 4 / 3. '
        f'{shown.interval_note(images, main.resamples)}{fewer} Intervals of AP are narrow: with {FEW_IMAGES} '
        f'drawn images they held the AP of many images in {FEW_IMAGES_HELD}% of the cases, not in 95%.'
    )
    return Section(
        'precision', 'Average precision', [Table('Average precision', columns, rows, note), _explained()], _lead(main)
    )


def _explained() -> Text:
    return Text(
        'AP is the area under precision over recall of a class, with predictions in the order of their scores, in the '
        'mean over classes. It says how good a detector is at all scores; the table of classes says how good it is at '
        'the best one.'
    )


def _lead(precision: Precision) -> str:
    """Say how AP depends on size or aspect, if it does, else what it is."""
    name = f'{precision.prefix} AP'
    for groups, noun in ((precision.sizes, 'objects'), (precision.aspects, 'objects')):
        values = {
            kind: group.metric
            for kind, group in groups.items()
            if group.metric is not None and group.share >= LEAST_SHARE
        }
        if len(values) > 1:
            worst, best = (choose(values, key=lambda kind: values[kind]) for choose in (min, max))
            if values[best] - values[worst] >= CLEAR_GAP:
                return (
                    f'{worst.capitalize()} {noun} are the hardest: {name} {percent(values[worst])}, that of {best} '
                    f'ones {percent(values[best])}; {percent(groups[worst].share)} of the objects are {worst}.'
                )
    whole = precision.intervals[f'{precision.prefix}_AP', None]
    if shown.defined(whole.value) is None:
        return 'There are no objects to be found.'
    return f'{name} is {percent(whole.value)}, and about the same for objects of any size and shape.'
