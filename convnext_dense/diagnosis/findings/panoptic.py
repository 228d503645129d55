"""What is found about a panoptic model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..confusion import Confusion
from ..content import Axis, Block, Cell, Chart, Column, Section, Series, Table, Text
from ..intervals import RESAMPLES, Interval
from ..panoptic_quality import image_quality, panoptic_measure
from ..records import PanopticImage
from ..segmentation import has_boundary_counts, measure
from ..suspect_regions import ContradictedImage, suspect_regions
from . import shown, suspected
from .base import ClassFacts, Facts, Findings
from .segmentation import CHARTED_CLASSES, image_kinds, images_section, pixel_section
from .shown import Intervals, defined, percent

METRICS = {
    'PQ': 'panoptic quality, SQ * RQ',
    'SQ': 'segmentation quality, the mean IoU of found segments',
    'RQ': 'recognition quality, the F1 of segments',
}
OF_PIXELS = ('mIoU', 'aAcc')

LEAST_PQ = 15.0
"""PQ in percent below which a model is too weak to judge labels."""


def find(
    records: Sequence[PanopticImage],
    contradicted: Sequence[ContradictedImage],
    classes: Sequence[str],
    things: int,
    resamples: int = RESAMPLES,
) -> Findings:
    """Find which segments a panoptic model misses and invents, what it confuses, and labels that are probably wrong.

    Args:
        records: of all images.
        contradicted: regions where prediction and label differ, of the images in which they were sought.
        classes: K names, of which the first ones are things.
        things: the number of things.
        resamples: how often images are drawn for intervals.
    """
    table = _tallies(records, len(classes))
    pq = panoptic_measure([image.tallies for image in records], classes, things)
    intervals: dict[tuple[str, str | None], Interval] = dict(shown.intervals_of(pq, resamples))
    confusion = Confusion.sum(len(classes), [image.pixels for image in records])
    pixels = measure(records, classes, by_class=False).without_classes()
    intervals.update(shown.intervals_of(pixels, resamples))
    groups = ('', '_things', '_stuff') if 0 < things < len(classes) else ('',)
    names = [*(f'{metric}{group}' for group in groups for metric in METRICS), *OF_PIXELS]
    labeled = sum(any(found + missed for _, found, _, missed in image.tallies.values()) for image in records)
    headlines = [shown.headline(intervals[name, None]) for name in names] if labeled else []
    headlines = [one for one in headlines if one.value is not None]
    suspects = suspect_regions(contradicted, scored=False)
    numbers = {image.path: number for number, image in enumerate(records)}
    main = intervals['PQ', None]
    boundary = intervals.get(('boundary_F1', None)) if has_boundary_counts(records) else None
    doubts = suspected.doubts_about_model(
        suspects, labeled, 'PQ', defined(main.value), LEAST_PQ, suspected.MOST_REGIONS
    )
    facts = Facts(
        'PQ',
        defined(main.value),
        defined(main.low),
        defined(main.high),
        len(records),
        'segments',
        _class_facts(records, table, classes, intervals),
        shown.confusion_facts(confusion, classes),
        suspects=len(suspected.strongly_suspected(suspects)),
        labels=labeled,
        judges_labels=not doubts,
        pixel_accuracy=shown.share(int(confusion.right.sum()), int(confusion.true_counts.sum())),
        boundary=None if boundary is None else defined(boundary.value),
    )
    values = {image.path: defined(image_quality(image.tallies)) for image in records}
    strong = {suspect.path for suspect in suspected.strongly_suspected(suspects)}
    found = {image.path: _kinds(image, image.path in strong) for image in records}
    if not labeled:
        text = 'The images have no annotated segments, so that nothing can be said about the predicted ones.'
        return Findings([], [Section('classes', 'Classes', [Text(text)], text)], [], values, found, facts)
    sections = [
        _classes_section(table, classes, things, intervals, facts, resamples),
        _costs_section(table),
        pixel_section(confusion, classes, facts),
        images_section(records, values, numbers, 'PQ'),
    ]
    if contradicted:
        sections.append(suspected.suspects_section(suspects, numbers, classes, labeled, 'image', doubts))
    return Findings(headlines, sections, suspects, values, found, facts)


def quality_gains(table: np.ndarray) -> dict[str, float | None]:
    """Return how much PQ would rise, in points, without each kind of loss.

    Args:
        table: float (K, 4) by class: the sum of IoUs, TP, FP and FN.

    Returns:
        For ``'missed segments'`` if those were not to be found, for ``'false segments'`` if they were not predicted,
        for ``'inexact masks'`` if found segments had an IoU of 1. None without segments.
    """
    iou, found, false, missed = table[(table[:, 1:] > 0).any(axis=1)].T
    if not len(iou):
        return dict.fromkeys(('missed segments', 'false segments', 'inexact masks'))

    def mean(iou: np.ndarray, false: np.ndarray, missed: np.ndarray) -> float:
        segments = found + false / 2 + missed / 2
        return 100 * float(np.where(segments > 0, iou / np.maximum(segments, 0.5), 1.0).mean())

    base = mean(iou, false, missed)
    return {
        'missed segments': mean(iou, false, 0 * missed) - base,
        'false segments': mean(iou, 0 * false, missed) - base,
        'inexact masks': mean(found, false, missed) - base,
    }


def _tallies(records: Sequence[PanopticImage], classes: int) -> np.ndarray:
    """Add the tallies of all images, float64 (K, 4)."""
    table = np.zeros((classes, 4))
    for image in records:
        for label, tally in image.tallies.items():
            table[label] += tally
    return table


def _class_facts(
    records: Sequence[PanopticImage], table: np.ndarray, classes: Sequence[str], intervals: Intervals
) -> list[ClassFacts]:
    images = np.zeros(len(classes), np.int64)
    for image in records:
        for label, (_, found, _, missed) in image.tallies.items():
            images[label] += found + missed > 0
    of_classes = []
    for k, name in enumerate(classes):
        _, found, false, missed = table[k].tolist()
        pq, low, high = shown.interval_cells(intervals, 'PQ', name)
        precision, recall = shown.share(found, found + false), shown.share(found, found + missed)
        of_classes.append(ClassFacts(name, int(found + missed), int(images[k]), pq, low, high, precision, recall))
    return of_classes


def _kinds(image: PanopticImage, suspected: bool) -> list[str]:
    """List the kinds of errors of an image, for a filter."""
    kinds = []
    if any(missed for _, _, _, missed in image.tallies.values()):
        kinds.append('missed segment')
    if any(false for _, _, false, _ in image.tallies.values()):
        kinds.append('false segment')
    return [*kinds, *image_kinds(image, None), *(['label contradicted strongly'] if suspected else [])]


def _classes_section(
    table: np.ndarray, classes: Sequence[str], things: int, intervals: Intervals, facts: Facts, resamples: int
) -> Section:
    columns = [
        Column('Class', 'class'),
        Column('Kind', 'text', 'things are counted, stuff is not'),
        Column('Images', 'count', 'images with the class'),
        Column('Segments', 'count', 'annotated segments'),
        Column('Found', 'count', 'segments that a predicted one matches with an IoU above 0.5'),
        Column('Missed', 'count', 'segments that none matches'),
        Column('False', 'count', 'predicted segments that match none'),
    ]
    for metric, help in METRICS.items():
        columns += shown.interval_columns(metric, help)
    rows: list[list[Cell]] = []
    for k, one in enumerate(facts.classes):
        _, found, false, missed = table[k].astype(int).tolist()
        kind = 'thing' if k < things else 'stuff'
        rows.append([one.name, kind, one.images, one.examples, found, missed, false])
        for metric in METRICS:
            rows[-1] += shown.interval_cells(intervals, metric, one.name)
    blocks: list[Block] = [Table('Classes', columns, rows, shown.interval_note(facts.images, resamples))]
    if 1 < len(classes) <= CHARTED_CLASSES:
        order = sorted(range(len(classes)), key=lambda k: -(facts.classes[k].metric or 0.0))
        series = [
            Series(
                metric,
                list(range(len(order))),
                [shown.interval_cells(intervals, metric, classes[k])[0] for k in order],
                'bars',
            )
            for metric in METRICS
        ]
        names = [classes[k] for k in order]
        note = 'A low RQ is from missed and false segments, a low SQ from inexact masks.'
        blocks.append(Chart('Quality of the classes', Axis('class'), Axis('percent', 0, 100), series, names, note))
    blocks += shown.absent_classes([one.name for one in facts.classes if not one.examples], 'segment')
    return Section('classes', 'Classes', blocks, shown.weakest_class(facts, 'PQ'))


def _costs_section(table: np.ndarray) -> Section:
    gains = {name: defined(gain, 2) for name, gain in quality_gains(table).items()}
    names = list(gains)
    _, _, false, missed = table.sum(axis=0)
    counts = {'missed segments': int(missed), 'false segments': int(false), 'inexact masks': None}
    largest = max(names, key=lambda name: gains[name] or 0.0)
    lead = f'The largest loss is from {largest}: without them PQ would be {gains[largest] or 0.0:.1f} points higher.'
    chart = Chart(
        'PQ that each kind of loss costs',
        Axis('kind of loss'),
        Axis('points of PQ', 0),
        [Series('points of PQ', list(range(len(names))), [gains[name] for name in names], 'bars')],
        names,
        'How much higher PQ would be without them, the others left as they are; so the sum is not what lacks to 100.',
    )
    columns = [Column('Kind of loss'), Column('Segments', 'count'), Column('Points of PQ', 'number')]
    rows: list[list[Cell]] = [[name, counts[name], gains[name]] for name in names]
    if not any(gains.values()):
        lead = f'Nothing is missed, false or inexact: PQ is {percent(100.0)}.'
    return Section('errors', 'What costs PQ', [chart, Table('Kinds of loss', columns, rows)], lead)
