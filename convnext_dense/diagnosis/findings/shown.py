"""Parts of sections that tasks share: numbers with intervals, confusion matrices, galleries of suspects, words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from ...counting import counted
from ..confusion import Confused, Confusion
from ..content import Column, Headline, Matrix, Table, Text
from ..intervals import LEVEL, RESAMPLES, Interval, Measure, bootstrap
from .base import ConfusionFacts, Facts

WHOLE_MATRIX = 100
"""Classes up to which a matrix shows all."""
PART_OF_MATRIX = 40
"""Classes of a matrix that can't show all."""
LISTED_CONFUSIONS = 50
CLASSES_WITH_INTERVALS = 2000
"""Classes up to which numbers of each class get intervals."""
GALLERY = 24
"""Images of a gallery."""
LABELS_FOR_WIDTH = 20
"""Images or objects of a class below which its interval is told to be too narrow."""

METRIC_NAMES = {
    'top1': 'top-1',
    'mean_class_top1': 'mean recall of classes',
    'calibration_error': 'calibration error',
    'macro_F1': 'macro F1',
    'mAcc': 'mean accuracy',
    'aAcc': 'pixel accuracy',
    'mDice': 'mean Dice',
    'boundary_F1': 'boundary F1',
    **{f'top{k}': f'top-{k}' for k in range(2, 11)},
    **{
        f'{prefix}_AP{ending}': f'{prefix} AP{text}'
        for prefix in ('box', 'mask')
        for ending, text in {
            **{one: one for one in ('', '50', '75')},
            's': ', small objects',
            'm': ', medium objects',
            'l': ', large objects',
            **{shape: f', {shape} objects' for shape in ('tall', 'square', 'wide')},
        }.items()
    },
    **{f'{metric}_{group}': f'{metric} of {group}' for metric in ('PQ', 'SQ', 'RQ') for group in ('things', 'stuff')},
}
"""What metrics are called, by their names in measures; others have the same name."""

Intervals = Mapping[tuple[str, str | None], Interval]
"""Intervals by metric and class name."""


def intervals_of(measure: Measure, resamples: int = RESAMPLES) -> Intervals:
    """Compute intervals by metric and class name, of which class names None is for all classes."""
    return {(one.quantity.metric, one.quantity.class_name): one for one in bootstrap(measure, resamples)}


def interval_note(images: int, resamples: int = RESAMPLES) -> str:
    """Say what the intervals of a table are."""
    return (
        f'The bounds are of the {100 * LEVEL:g}% interval, by {counted(resamples, "bootstrap resample")} of '
        f'{counted(images, "image")}: how much other images of the kind could change the number, not another '
        f'training. Of a class with fewer than {LABELS_FOR_WIDTH} examples it is too narrow, and '
        'where all examples fare alike there is none.'
    )


def defined(value: float | None, digits: int | None = None) -> float | None:
    """Return a number, rounded if digits are given, and None for NaN and infinity."""
    if value is None or not math.isfinite(value):
        return None
    return float(value) if digits is None else round(float(value), digits)


def headline(interval: Interval, name: str | None = None) -> Headline:
    """Return a metric as a headline, in percent, with its interval."""
    quantity = interval.quantity
    metric = METRIC_NAMES.get(quantity.metric, quantity.metric)
    bounds = (defined(interval.low), defined(interval.high)) if interval.informative else (None, None)
    return Headline(name or metric, defined(interval.value), *bounds, lower_is_better=quantity.lower_is_better)


def interval_columns(name: str, help: str) -> list[Column]:
    """Return the columns of a number in percent with its interval."""
    return [
        Column(name, 'percent', help),
        Column(f'{name} from', 'percent', f'lower bound of the interval of {name}'),
        Column(f'{name} to', 'percent', f'upper bound of the interval of {name}'),
    ]


def interval_cells(
    intervals: Intervals, metric: str, class_name: str | None, value: float | None = None
) -> list[float | None]:
    """Return the cells of :func:`interval_columns`.

    Args:
        intervals: those that were computed.
        metric: the metric.
        class_name: the class.
        value: what it is, in percent, if there is no interval.
    """
    interval = intervals.get((metric, class_name))
    if interval is None:
        return [defined(value), None, None]
    bounds = (defined(interval.low), defined(interval.high)) if interval.informative else (None, None)
    return [defined(interval.value), *bounds]


def share(part: float, whole: float) -> float | None:
    """Return a share in percent; None of nothing."""
    return 100 * part / whole if whole else None


def percent(value: float | None) -> str:
    """Write a number in percent, such as ``41%``, with a digit after the point below 10, ``3.5%``."""
    if value is None or not math.isfinite(value):
        return 'unknown'
    if 0 < value < 0.05:
        return 'less than 0.1%'
    return f'{value:.0f}%' if abs(value) >= 9.95 or not value else f'{value:.1f}%'


def joined(words: Sequence[str], last: str = 'and') -> str:
    """Join words: ``a, b and c``."""
    return words[0] if len(words) == 1 else f'{", ".join(words[:-1])} {last} {words[-1]}' if words else ''


def named_some(names: Sequence[str], most: int = 5) -> str:
    """Name some of several things: ``a, b and 3 others``."""
    if len(names) <= most:
        return joined(list(names))
    return f'{", ".join(names[: most - 1])} and {len(names) - most + 1:,} others'


def confusion_facts(
    confusion: Confusion, names: Sequence[str], number: int = LISTED_CONFUSIONS
) -> list[ConfusionFacts]:
    """List the largest confusions of classes, without background, the most frequent first."""
    wrong = between_classes(confusion)
    total = int(wrong.counts.sum())
    true_counts = confusion.true_counts
    return [
        ConfusionFacts(names[t], names[p], times, 100 * times / int(true_counts[t]), 100 * times / total)
        for t, p, times, _ in wrong.largest(number)
    ]


def between_classes(confusion: Confusion) -> Confusion:
    """Return the counts of things that were taken for another class, without background."""
    kept = (confusion.true != confusion.predicted) & (
        np.maximum(confusion.true, confusion.predicted) < confusion.classes
    )
    return Confusion(confusion.classes, confusion.true[kept], confusion.predicted[kept], confusion.counts[kept])


def confusion_matrix(confusion: Confusion, names: Sequence[str], unit: str, background: str | None = None) -> Matrix:
    """Return a confusion matrix, of the classes with the largest confusions if there are many.

    Args:
        confusion: the counts.
        names: K names.
        unit: what is counted, in the plural.
        background: what the label beyond the classes is called; None to leave it out.
    """
    labels = list(range(confusion.classes))
    note = ''
    if len(labels) > WHOLE_MATRIX:
        labels = sorted(_most_confused(confusion, PART_OF_MATRIX))
        note = f'Only the {len(labels)} of {confusion.classes:,} classes with the largest confusions; tables have all.'
    kinds = [*names, background or '']
    if background is not None:
        labels.append(confusion.classes)
    counts = np.zeros((len(labels), len(labels)), np.int64)
    rows, columns = (_places(found, labels) for found in (confusion.true, confusion.predicted))
    inside = (rows >= 0) & (columns >= 0)
    counts[rows[inside], columns[inside]] = confusion.counts[inside]
    shown = [kinds[label] for label in labels]
    return Matrix('Confusion matrix', shown, shown, counts.tolist(), unit, note)


def _most_confused(confusion: Confusion, number: int) -> set[int]:
    """Return the classes of the largest confusions, as many as asked for."""
    chosen: dict[int, None] = {}
    for true, predicted, _, _ in between_classes(confusion).largest(number**2):
        for label in (true, predicted):
            if len(chosen) < number:
                chosen[label] = None
    for label in np.argsort(-confusion.true_counts, kind='stable').tolist():  # if there are few confusions
        if len(chosen) < number:
            chosen[label] = None
    return set(chosen)


def _places(found: np.ndarray, labels: Sequence[int]) -> np.ndarray:
    """Return the place of each label in a list in ascending order, -1 for one that is not there."""
    places = np.searchsorted(labels, found)
    at = np.minimum(places, len(labels) - 1)
    return np.where(np.asarray(labels)[at] == found, at, -1) if len(labels) else np.full(len(found), -1)


def confusion_table(confusion: Confusion, names: Sequence[str], unit: str, background: str | None = None) -> Table:
    """List the largest confusions, the most frequent first."""
    kinds = [*names, background or 'no class']
    wrong = int(confusion.counts[confusion.true != confusion.predicted].sum())
    found: Sequence[Confused] = confusion.largest(LISTED_CONFUSIONS)
    rows = [
        [
            kinds[one.true],
            kinds[one.predicted],
            one.times,
            None if one.true == confusion.classes else 100 * one.share,
            100 * one.times / wrong,
        ]
        for one in found
    ]
    columns = [
        Column('True class', 'class'),
        Column('Predicted as', 'class'),
        Column('Times', 'count', f'{unit} of the true class that are predicted as the other one'),
        Column('Share of the class', 'percent', f'of the {unit} of the true class'),
        Column('Share of errors', 'percent', f'of all {unit} that are predicted wrong'),
    ]
    off_diagonal = int((confusion.true != confusion.predicted).sum())
    note = f'The {len(rows)} largest of {off_diagonal:,}.' if off_diagonal > len(rows) else ''
    return Table('Largest confusions', columns, rows, note)


def absent_classes(names: Sequence[str], noun: str) -> list[Text]:
    """Return a paragraph on classes without examples, if there are any."""
    if not names:
        return []
    return [Text(f'Without a {noun}, nothing can be said about {named_some(names)}.')]


def weakest_class(facts: Facts, metric: str) -> str:
    """Name the class with the lowest metric among those with examples, in one sentence."""
    tested = [one for one in facts.classes if one.metric is not None and one.examples]
    if not tested:
        return ''
    weakest = min(tested, key=lambda one: one.metric or 0.0)
    number = f'{metric} {percent(weakest.metric)}, {counted_examples(weakest.examples, facts.unit)}'
    if len(tested) == 1:
        return f'One class was tested: {weakest.name} ({number}).'
    best = max(tested, key=lambda one: one.metric or 0.0)
    if weakest.metric == best.metric:
        return f'All {len(tested)} tested classes have the same {metric}, {percent(best.metric)}.'
    return f'The weakest class is {weakest.name} ({number}); the best is {best.name} ({percent(best.metric)}).'


def counted_examples(examples: int, unit: str) -> str:
    """Count examples by the plural of their noun: ``1 image``, ``3,000 objects``."""
    return counted(examples, unit.removesuffix('s'), unit)


def confusion_lead(largest: ConfusionFacts, unit: str, wrong: str) -> str:
    """Say which confusion is the largest, in one sentence.

    Args:
        largest: the confusion.
        unit: what is counted, in the plural.
        wrong: what it is a share of, such as ``'errors'``.
    """
    return (
        f'{percent(largest.share_of_errors)} of the {wrong} are {largest.true} taken for {largest.predicted} '
        f'({counted_examples(largest.times, unit)}, {percent(largest.share_of_class)} of all {largest.true}).'
    )
