"""What is found about a segmentor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...counting import counted
from ..confusion import Confusion
from ..content import Axis, Block, Cell, Chart, Column, Gallery, Section, Series, Table, Text
from ..intervals import RESAMPLES
from ..records import SegmentedImage
from ..segmentation import class_boundary_f1, has_boundary_counts, image_iou, measure
from ..suspect_regions import ContradictedImage, suspect_regions
from . import shown, suspected
from .base import ClassFacts, Facts, Findings
from .shown import Intervals, defined, percent

HEADLINES = ('mIoU', 'aAcc', 'mAcc', 'mDice', 'boundary_F1')
CHARTED_CLASSES = 40
"""Classes up to which a chart has bars for each."""
LOW_IOU = 50.0
"""IoU of an image in percent below which it is told to be low."""
LEAST_SHARE = 0.01
"""Share of an image's pixels from which a class that is missed or not there is told."""
BIN = 5
"""Width of the bins of a histogram, in percent."""

LEAST_MIOU = 20.0
"""mIoU in percent below which a model is too weak to judge labels."""


def find(
    records: Sequence[SegmentedImage],
    contradicted: Sequence[ContradictedImage],
    classes: Sequence[str],
    resamples: int = RESAMPLES,
) -> Findings:
    """Find what a segmentor confuses, where it is worst, and which labels are probably wrong.

    Args:
        records: of all images.
        contradicted: regions where prediction and label differ, of the images in which they were sought.
        classes: K names.
        resamples: how often images are drawn for intervals.
    """
    confusion = Confusion.sum(len(classes), [image.pixels for image in records])
    by_class = len(classes) <= shown.CLASSES_WITH_INTERVALS
    intervals = shown.intervals_of(measure(records, classes, by_class), resamples)
    labeled = sum(bool(image.pixels.true_counts.any()) for image in records)
    headlines = [shown.headline(intervals[m, None]) for m in HEADLINES if (m, None) in intervals] if labeled else []
    suspects = suspect_regions(contradicted)
    numbers = {image.path: number for number, image in enumerate(records)}
    main = intervals['mIoU', None]
    pixels = int(confusion.true_counts.sum())
    boundary = intervals.get(('boundary_F1', None))
    doubts = suspected.doubts_about_model(
        suspects, labeled, 'mIoU', defined(main.value), LEAST_MIOU, suspected.MOST_REGIONS
    )
    facts = Facts(
        'mIoU',
        defined(main.value),
        defined(main.low),
        defined(main.high),
        len(records),
        'pixels',
        class_facts(records, confusion, classes, intervals),
        shown.confusion_facts(confusion, classes),
        suspects=len(suspected.strongly_suspected(suspects)),
        labels=labeled,
        judges_labels=not doubts,
        pixel_accuracy=shown.share(int(confusion.right.sum()), pixels),
        boundary=None if boundary is None else defined(boundary.value),
    )
    values = {image.path: defined(100 * image_iou(image)) for image in records}
    strong = {suspect.path for suspect in suspected.strongly_suspected(suspects)}
    found = {
        image.path: [
            *image_kinds(image, values[image.path]),
            *(['label contradicted strongly'] if image.path in strong else []),
        ]
        for image in records
    }
    if not labeled:
        text = 'No pixel has a label, so that nothing can be said about the predictions.'
        return Findings([], [Section('classes', 'Classes', [Text(text)], text)], [], values, found, facts)
    sections = [
        _classes_section(records, confusion, classes, intervals, facts, resamples),
        pixel_section(confusion, classes, facts),
        images_section(records, values, numbers, 'IoU'),
    ]
    if contradicted:
        sections.append(suspected.suspects_section(suspects, numbers, classes, labeled, 'image', doubts))
    return Findings(headlines, sections, suspects, values, found, facts)


def class_facts(
    records: Sequence[SegmentedImage], confusion: Confusion, classes: Sequence[str], intervals: Intervals
) -> list[ClassFacts]:
    """Return the numbers of each class by its pixels, with intervals of IoU."""
    images = np.zeros(len(classes), np.int64)
    for image in records:
        images += image.pixels.true_counts > 0
    of_classes = []
    for k, name in enumerate(classes):
        iou, precision, accuracy = (
            defined(100 * values[k]) for values in (confusion.iou, confusion.precision, confusion.recall)
        )
        _, low, high = shown.interval_cells(intervals, 'IoU', name)
        pixels = int(confusion.true_counts[k])
        of_classes.append(ClassFacts(name, pixels, int(images[k]), iou, low, high, precision, accuracy))
    return of_classes


def image_kinds(image: SegmentedImage, iou: float | None) -> list[str]:
    """List the kinds of errors of an image, for a filter."""
    true, predicted, right = image.pixels.true_counts, image.pixels.predicted_counts, image.pixels.right
    least = max(1.0, LEAST_SHARE * float(true.sum()))
    kinds = []
    if ((true >= least) & (right == 0)).any():
        kinds.append('class missed')
    if ((predicted >= least) & (true == 0)).any():
        kinds.append('class not there')
    if iou is not None and iou < LOW_IOU:
        kinds.append(f'IoU below {LOW_IOU:g}%')
    return kinds


def _classes_section(
    records: Sequence[SegmentedImage],
    confusion: Confusion,
    classes: Sequence[str],
    intervals: Intervals,
    facts: Facts,
    resamples: int,
) -> Section:
    metrics = {
        'IoU': ('IoU', confusion.iou, 'pixels of both truth and prediction among those of either'),
        'accuracy': ('Accuracy', confusion.recall, 'share of the pixels of the class that are predicted as it'),
        'precision': ('Precision', confusion.precision, 'share of the pixels predicted as the class that are of it'),
        'Dice': ('Dice', confusion.f1, 'twice the pixels of both, among those of truth plus those of prediction'),
    }
    if has_boundary_counts(records):
        f1 = class_boundary_f1(records)
        text = 'how well boundaries match, up to 0.75% of the diagonal'
        metrics['boundary_F1'] = ('Boundary F1', f1, text)
    columns = [
        Column('Class', 'class'),
        Column('Images', 'count', 'images with the class'),
        Column('Pixels', 'count', 'labeled pixels of the class'),
        Column('Share', 'percent', 'of all labeled pixels'),
    ]
    for name, _, help in metrics.values():
        columns += shown.interval_columns(name, help)
    total = int(confusion.true_counts.sum())
    rows: list[list[Cell]] = []
    for k, one in enumerate(facts.classes):
        rows.append([one.name, one.images, one.examples, shown.share(one.examples, total)])
        for metric, (_, values, _) in metrics.items():
            rows[-1] += shown.interval_cells(intervals, metric, one.name, 100 * values[k])
    blocks: list[Block] = [Table('Classes', columns, rows, shown.interval_note(facts.images, resamples))]
    if 1 < len(classes) <= CHARTED_CLASSES:
        order = sorted(range(len(classes)), key=lambda k: -(facts.classes[k].metric or 0.0))
        series = [
            Series(name, list(range(len(order))), [defined(100 * values[k]) for k in order], 'bars')
            for metric, (name, values, _) in metrics.items()
            if metric in ('IoU', 'boundary_F1')
        ]
        names = [classes[k] for k in order]
        note = 'A class whose IoU is high and whose boundary F1 is low is found, and its outlines are not exact.'
        note = note if len(series) > 1 else ''
        blocks.append(Chart('IoU of the classes', Axis('class'), Axis('percent', 0, 100), series, names, note))
    if len(classes) > shown.CLASSES_WITH_INTERVALS:
        blocks.append(Text(f'Of {len(classes):,} classes, only the means over all and IoU have intervals.'))
    blocks += shown.absent_classes([one.name for one in facts.classes if not one.examples], 'labeled pixel')
    return Section('classes', 'Classes', blocks, shown.weakest_class(facts, 'IoU'))


def pixel_section(confusion: Confusion, classes: Sequence[str], facts: Facts) -> Section:
    """Return the section of which classes pixels are taken for."""
    if len(classes) == 1:
        text = 'There is one class, which can be confused with no other one.'
        return Section('confusions', 'Confusions', [Text(text)], text)
    nothing = 'no class' if (confusion.predicted == confusion.classes).any() else None
    blocks: list[Block] = [shown.confusion_matrix(confusion, classes, 'pixels', nothing)]
    wrong = int(confusion.counts[confusion.true != confusion.predicted].sum())
    if not wrong:
        return Section('confusions', 'Confusions', blocks, 'All labeled pixels are predicted right.')
    blocks.append(shown.confusion_table(confusion, classes, 'pixels', nothing))
    if not facts.confusions:
        return Section('confusions', 'Confusions', blocks, f'{counted(wrong, "pixel")} are predicted as no class.')
    lead = shown.confusion_lead(facts.confusions[0], 'pixels', 'wrong pixels')
    return Section('confusions', 'Confusions', blocks, lead)


def images_section(
    records: Sequence[SegmentedImage],
    values: Mapping[str, float | None],
    numbers: Mapping[str, int],
    metric: str,
) -> Section:
    """Return the section of images, the worst first.

    Args:
        records: of all images.
        values: their metric in percent, by path.
        numbers: the number of each record, by path.
        metric: its name.
    """
    ranked = sorted((value, path) for path, value in values.items() if value is not None)
    if not ranked:
        text = f'No image has a defined {metric}.'
        return Section('images', 'Images', [Text(text)], text)
    by_path = {image.path: image for image in records}
    worst = ranked[: shown.GALLERY]
    captions = [f'{metric} {percent(value)}{_wrong_share(by_path[path])}' for value, path in worst]
    several = np.array([value for value, _ in ranked])
    edges = np.arange(0, 100 + BIN, BIN)
    counts, _ = np.histogram(several, edges)
    histogram = Chart(
        f'Images by {metric}',
        Axis(f'{metric} in percent', 0, 100),
        Axis('images', 0),
        [Series('images', (edges[:-1] + BIN / 2).tolist(), counts.astype(float).tolist(), 'bars')],
    )
    low = int((several < LOW_IOU).sum())
    lead = (
        f'{low:,} of {counted(len(ranked), "image")} {"has" if low == 1 else "have"} a {metric} below {LOW_IOU:g}%; '
        f'the median is {percent(float(np.median(several)))}, the worst {percent(worst[0][0])} ({worst[0][1]}).'
    )
    note = f'{metric} is the mean over the classes in the truth or the prediction of the image.'
    gallery = Gallery('Worst images', [numbers[path] for _, path in worst], captions, note)
    return Section('images', 'Images', [gallery, histogram], lead)


def _wrong_share(image: SegmentedImage) -> str:
    """Say how many of the labeled pixels are wrong."""
    pixels = int(image.pixels.counts.sum())
    wrong = int(image.pixels.counts[image.pixels.true != image.pixels.predicted].sum())
    return f', {percent(100 * wrong / pixels)} of the pixels wrong' if pixels else ''
