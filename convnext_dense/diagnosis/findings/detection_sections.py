"""Sections on classes, kinds of errors, confusions and scores of a detector, and images that show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...counting import counted
from ..average_precision import AveragePrecision
from ..confusion import Confusion
from ..content import Axis, Block, Cell, Chart, Column, Gallery, Section, Series, Table, Text
from ..detection_curves import ScoreCurve
from ..detection_errors import BACKGROUND_IOU, FOREGROUND_IOU, KINDS, DetectionError, Kind
from . import shown
from .base import Facts
from .detection_analysis import DetectionAnalysis
from .detection_precision import Precision
from .shown import defined, percent

KIND_WORDS: dict[Kind, str] = {
    'class': 'wrong class',
    'location': 'inexact location',
    'both': 'wrong class and inexact location',
    'duplicate': 'duplicate',
    'background': 'background taken for an object',
    'missed': 'missed object',  # one that no other kind of error explains
}
CURVE_POINTS = 200
"""Points of a curve, at most."""
CURVED_CLASSES = 100
"""Classes whose curves are shown: those with the most objects."""
SAMPLES = 12
"""Images of a gallery for each kind of error."""


def classes_section(
    analysis: DetectionAnalysis, of_kinds: Sequence[Precision], facts: Facts, resamples: int
) -> Section:
    """Return the section with a table of all classes."""
    main, *others = of_kinds
    kind, of = main.prefix, 'masks' if main.prefix == 'mask' else 'boxes'
    ap50 = AveragePrecision(analysis.matches.at(FOREGROUND_IOU)).by_class()
    columns = [
        Column('Class', 'class'),
        Column('Images', 'count', 'images with an object of the class'),
        Column('Objects', 'count', 'annotated objects'),
        *shown.interval_columns(f'{main.prefix} AP', 'average precision, the mean over IoU 0.5 to 0.95'),
        *(Column(f'{one.prefix} AP', 'percent', f'average precision of {one.prefix} outlines') for one in others),
        Column(f'{kind} AP50', 'percent', f'average precision of {of} at an IoU of 0.5'),
        Column(f'{kind} precision', 'percent', 'share of the predictions with at least the best score that are right'),
        Column(f'{kind} recall', 'percent', 'share of the objects that they find'),
        Column(f'{kind} F1', 'percent', 'harmonic mean of precision and recall'),
        Column('Best score', 'score', 'score with the highest F1, from which objects are best kept'),
    ]
    rows: list[list[Cell]] = []
    for k, (one, curve) in enumerate(zip(facts.classes, analysis.curves, strict=True)):
        row: list[Cell] = [one.name, one.images, one.examples]
        row += shown.interval_cells(main.intervals, f'{main.prefix}_AP', one.name)
        row += [shown.interval_cells(other.intervals, f'{other.prefix}_AP', one.name)[0] for other in others]
        best = curve.best
        if best is None:  # of a class with objects nothing is found at any score
            nothing = 0.0 if one.examples else None
            rows.append([*row, defined(100 * ap50[k]), None, nothing, nothing, None])
        else:
            shares = (100 * best.precision, 100 * best.recall, 100 * best.f1)
            rows.append([*row, defined(100 * ap50[k]), *shares, best.score])
    blocks: list[Block] = [Table('Classes', columns, rows, shown.interval_note(facts.images, resamples))]
    blocks += shown.absent_classes([one.name for one in facts.classes if not one.examples], 'annotated object')
    return Section('classes', 'Classes', blocks, shown.weakest_class(facts, f'{main.prefix} AP'))


def errors_section(analysis: DetectionAnalysis, facts: Facts) -> Section:
    """Return the section of kinds of errors and the AP that each costs."""
    costs = analysis.costs
    words = [KIND_WORDS[kind] for kind in KINDS]
    points = [defined(facts.error_costs.get(kind), 2) for kind in KINDS]
    totals = {
        'false positives': defined(100 * costs.mean(costs.false_positives), 2),
        'false negatives': defined(100 * costs.mean(costs.false_negatives), 2),
    }
    chart = Chart(
        'AP50 that each kind of error costs',
        Axis('kind of error'),
        Axis('points of AP50', 0),
        [Series('points of AP50', list(range(len(KINDS))), points, 'bars')],
        words,
        'How much higher AP50 would be without these errors, the others left as they are, so that costs do not add up '
        f'to what lacks to 100 (TIDE, Bolya et al. 2020). A location is inexact from an IoU of {BACKGROUND_IOU:g} to '
        f'{FOREGROUND_IOU:g}. A missed object is one that no wrong class and no inexact location explains, so that '
        'fewer are missed than are not found.',
    )
    kept = facts.error_counts
    rows: list[list[Cell]] = [
        [KIND_WORDS[kind], kept.get(kind, 0), cost] for kind, cost in zip(KINDS, points, strict=True)
    ]
    rows += [[f'all {name}', None, cost] for name, cost in totals.items()]
    kinds = Table(
        'Kinds of errors',
        [
            Column('Kind of error'),
            Column('Errors', 'count', 'of predictions with at least the best score of their class'),
            Column('Points of AP50', 'number', 'of all predictions, how much higher AP50 would be without them'),
        ],
        rows,
    )
    of_classes: list[list[Cell]] = []
    kind = 'mask' if analysis.masks else 'box'
    for k, name in enumerate(analysis.classes):
        kinds_of_class = [
            *(costs.by_kind[kind][k] for kind in KINDS),
            costs.false_positives[k],
            costs.false_negatives[k],
        ]
        of_classes.append(
            [name, defined(100 * costs.by_class[k]), *(defined(100 * cost, 2) for cost in kinds_of_class)]
        )
    columns = [
        Column('Class', 'class'),
        Column(f'{kind} AP50', 'percent'),
        *(Column(word.capitalize(), 'number', 'points of AP50 that it costs') for word in words),
        Column('False positives', 'number', 'points of AP50 that all wrong predictions cost'),
        Column('False negatives', 'number', 'points of AP50 that all objects which are not found cost'),
    ]
    table = Table('Cost of errors by class', columns, of_classes)
    return Section('errors', 'Kinds of errors', [chart, kinds, table], _errors_lead(facts))


def _errors_lead(facts: Facts) -> str:
    costs = facts.error_costs
    if not costs:
        return 'There are no objects to be found.'
    kind = max(costs, key=lambda one: costs[one])
    if costs[kind] <= 0:
        return 'No kind of error costs AP50.'
    word = KIND_WORDS[kind]  # type: ignore[index]
    counts = facts.error_counts.get(kind, 0)
    return (
        f'What costs most is: {word}. Without it AP50 would be {costs[kind]:.1f} points higher '
        f'({counted(counts, "error")} at the best scores).'
    )


def confusion_section(confusion: Confusion, analysis: DetectionAnalysis, facts: Facts) -> Section:
    """Return the section of classes that are taken for each other or for background."""
    objects = int(confusion.true_counts.sum())
    found = int(confusion.right.sum())
    missed = int(
        confusion.counts[(confusion.true < confusion.classes) & (confusion.predicted == confusion.classes)].sum()
    )
    false = int(confusion.counts[confusion.true == confusion.classes].sum())
    other = objects - found - missed
    blocks: list[Block] = [shown.confusion_matrix(confusion, analysis.classes, 'objects', 'background')]
    if objects - found or false:
        blocks.append(shown.confusion_table(confusion, analysis.classes, 'objects', 'background'))
    blocks.append(
        Text(
            'Counted are predictions with at least the best score of their class, at an IoU of 0.5. In the row of the '
            'background are predictions without an object, in its column objects without a prediction.'
        )
    )
    lead = (
        f'Of {counted(objects, "object")}, {percent(shown.share(found, objects))} are found, '
        f'{percent(shown.share(missed, objects))} have no prediction on them and '
        f'{percent(shown.share(other, objects))} are taken for another class; '
        f'{counted(false, "prediction")} lie on background.'
    )
    if facts.confusions and other:
        one = facts.confusions[0]
        times = 'once' if one.times == 1 else f'{one.times:,} times'
        lead += f' The most frequent confusion is {one.true} taken for {one.predicted} ({times}).'
    return Section('confusions', 'Confusions', blocks, lead)


def curves_section(analysis: DetectionAnalysis, facts: Facts) -> Section:
    """Return the section of precision, recall and F1 by score."""
    order = sorted(range(len(analysis.classes)), key=lambda k: -analysis.curves[k].objects)
    chosen = sorted(k for k in order[:CURVED_CLASSES] if analysis.curves[k].objects and len(analysis.curves[k].scores))
    curves: list[tuple[str, str | None, ScoreCurve]] = [('all classes', None, analysis.overall)]
    curves += [(analysis.classes[k], analysis.classes[k], analysis.curves[k]) for k in chosen]
    points = max(CURVE_POINTS // (1 + len(chosen) // 25), 50)
    precision_recall, f1_by_score = [], []
    for name, group, curve in curves:
        if not curve.objects or not len(curve.scores):
            continue
        rows = thinned(curve, points)
        recall, precision = (np.round(values[rows], 5).tolist() for values in (curve.recall, curve.precision))
        precision_recall.append(Series(name, recall, precision, 'line', group))
        scores, f1 = curve.scores[rows].tolist(), curve.f1[rows].tolist()
        f1_by_score.append(Series(name, scores[::-1], f1[::-1], 'line', group))
    best = analysis.overall.best
    if best is None or not precision_recall:
        text = 'No object is found at any score, so that there are no curves.'
        return Section('scores', 'Scores', [Text(text)], text)
    note = ''
    if len(chosen) < sum(curve.objects > 0 for curve in analysis.curves):
        note = f'The {len(chosen)} classes with the most objects; the table of classes has the best score of all.'
    lead = (
        f'Objects are best kept from a score of {best.score:.2f} on: precision is {percent(100 * best.precision)}, '
        f'recall {percent(100 * best.recall)}, and F1 {percent(100 * best.f1)}.'
    )
    unit = Axis('precision', 0, 1)
    return Section(
        'scores',
        'Scores',
        [
            Chart('F1 by score', Axis('score', 0, 1), Axis('F1', 0, 1), f1_by_score, note=note),
            Chart('Precision and recall', Axis('recall', 0, 1), unit, precision_recall, note='At an IoU of 0.5.'),
        ],
        lead,
    )


def thinned(curve: ScoreCurve, points: int = CURVE_POINTS) -> np.ndarray:
    """Choose points of a curve, evenly along what is drawn of precision and recall, with the ends and the best one.

    Args:
        curve: of a class with objects and predictions.
        points: how many at most, at least 3.

    Returns:
        int (n,), in ascending order.
    """
    count = len(curve.scores)
    if count <= points:
        return np.arange(count)
    steps = sum(np.abs(np.diff(values)) for values in (curve.recall, curve.precision, curve.f1, curve.scores))
    way = np.concatenate([[0.0], np.cumsum(steps)])
    rows = np.searchsorted(way, np.linspace(0, way[-1], points - 1))
    return np.unique([*rows.clip(0, count - 1).tolist(), int(np.argmax(curve.f1))])


def samples_section(analysis: DetectionAnalysis) -> Section:
    """Return the section with images of each kind of error of kept predictions, the surest first."""
    blocks: list[Block] = []
    counts = {}
    for kind in KINDS:
        errors = [error for error in analysis.kept_errors if error.kind == kind]
        counts[kind] = len(errors)
        first: dict[int, DetectionError] = {}
        for error in errors:
            first.setdefault(error.image, error)
        chosen = list(first.values())[:SAMPLES]
        if chosen:
            captions = [error_text(analysis, error) for error in chosen]
            title = KIND_WORDS[kind].capitalize()
            note = f'{counted(len(errors), "error")} in {counted(len(first), "image")}.'
            blocks.append(Gallery(title, [error.image for error in chosen], captions, note))
    if not blocks:
        text = 'With the best scores there are no errors.'
        return Section('samples', 'Images of errors', [Text(text)], text)
    images = len({error.image for error in analysis.kept_errors})
    lead = (
        f'{images:,} of {counted(len(analysis.records), "image")} have errors at the best scores; the most frequent '
        f'kind is: {KIND_WORDS[max(KINDS, key=lambda kind: counts[kind])]}.'
    )
    return Section('samples', 'Images of errors', blocks, lead)


def error_text(analysis: DetectionAnalysis, error: DetectionError) -> str:
    """Say what is wrong, such as ``cow 0.93, is a horse``."""
    image = analysis.records[error.image]
    true = None if error.truth is None else analysis.classes[image.truth.labels[error.truth]]
    if error.prediction is None:
        x1, y1, x2, y2 = image.truth.boxes[error.truth].tolist()
        return f'{true}, {y2 - y1:.0f} x {x2 - x1:.0f} pixels'
    predicted = f'{analysis.classes[image.labels[error.prediction]]} {error.score:.2f}'
    return predicted + {
        'class': f', labeled {true}',
        'location': f', IoU {error.iou:.2f}',
        'both': f', labeled {true}, IoU {error.iou:.2f}',
        'duplicate': ', of an object that is found',
        'background': '',
    }.get(error.kind, '')


def class_images(analysis: DetectionAnalysis) -> Mapping[str, int]:
    """Count the images with an object of each class to be found, by class name."""
    counts = (analysis.matches.objects > 0).sum(axis=0)
    return dict(zip(analysis.classes, counts.tolist(), strict=True))
