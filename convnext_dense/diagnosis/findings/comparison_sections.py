"""Sections on what differs between two runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...counting import counted
from ..classification import Predictions
from ..content import Axis, Block, Cell, Chart, Column, Section, Series, Table, Text
from ..detection_errors import KINDS
from ..intervals import LEVEL, Changed, Difference
from .detection_analysis import DetectionAnalysis
from .detection_sections import KIND_WORDS
from .shown import METRIC_NAMES, defined

CHANGED_IMAGES = 50
"""Images that changed most, which are listed."""
LISTED_FLIPS = 200
"""Images of a list of fixed or broken ones."""


@dataclass(frozen=True, eq=False)
class Changes:
    """A number of each image in two runs, in percent, and its name: float64 (N,) each, NaN where it is not defined."""

    metric: str
    before: np.ndarray
    after: np.ndarray


def metric_name(difference: Difference) -> str:
    """Return what the metric of a difference is called."""
    return METRIC_NAMES.get(difference.quantity.metric, difference.quantity.metric)


def verdict(difference: Difference) -> str:
    """Say whether a difference is clear: ``clearly better``, ``clearly worse``, or ``not clear``."""
    if not difference.clear:
        return 'not clear'
    better = (difference.low > 0) != difference.quantity.lower_is_better
    return 'clearly better' if better else 'clearly worse'


def change_text(difference: Difference) -> str:
    """Say a difference with its interval, such as ``60.1% to 62.0%, by +1.9 (+0.4 to +3.1), clearly better``."""
    return (
        f'{difference.before:.1f}% to {difference.after:.1f}%, by {difference.difference:+.1f} '
        f'({difference.low:+.1f} to {difference.high:+.1f}), {verdict(difference)}'
    )


def difference_columns(first: Column, *more: Column) -> list[Column]:
    """Return the columns of :func:`difference_cells`, after others."""
    return [
        first,
        *more,
        Column('Before', 'percent', 'of the first run'),
        Column('After', 'percent', 'of the second run'),
        Column('Difference', 'number', 'after - before, in points'),
        Column('Difference from', 'number', f'lower bound of the {100 * LEVEL:g}% interval of the difference'),
        Column('Difference to', 'number', 'upper bound of the interval of the difference'),
        Column('Verdict', 'text', 'clear if the interval leaves out 0'),
        Column('In favor', 'percent', 'resamples in which the second run is better; equal ones count half'),
    ]


def difference_cells(difference: Difference) -> list[Cell]:
    """Return a difference as cells of a table."""
    one = difference
    numbers = (one.before, one.after, one.difference, one.low, one.high)
    told = verdict(one) if defined(one.difference) is not None else ''
    return [*(defined(number, 2) for number in numbers), told, defined(100 * one.in_favor, 2)]


def headline_section(
    differences: Sequence[Difference], images: int, resamples: Sequence[int], notes: Sequence[str]
) -> Section:
    """Return the section with the metrics of all classes.

    Args:
        differences: of all metrics.
        images: their number.
        resamples: how often images were drawn, which may be fewer for some metrics.
        notes: what was left out.
    """
    shown = [one for one in differences if one.quantity.class_name is None and defined(one.difference) is not None]
    if not shown:
        text = 'Nothing can be compared: the images have no ground truth.'
        return Section('differences', 'Differences', [Text(text)], text)
    rows: list[list[Cell]] = [[metric_name(one), *difference_cells(one)] for one in shown]
    times = ' or '.join(f'{number:,}' for number in sorted(set(resamples), reverse=True))
    note = (
        f'Both runs are measured on the same {times} draws of {counted(images, "image")}. That shows how the choice '
        'of images matters, not how another training would: runs that differ in their seed alone differ as well.'
    )
    main = shown[0]
    lead = f'{metric_name(main)} went from {change_text(main)}.'
    if not main.clear:
        lead = f'{metric_name(main)} went from {change_text(main)}: these images do not tell which run is better.'
    blocks: list[Block] = [Table('Metrics', difference_columns(Column('Metric')), rows, note)]
    return Section('differences', 'Differences', [*blocks, *map(Text, notes)], lead)


def class_section(
    differences: Sequence[Difference], metric: str, classes: Sequence[str], examples: np.ndarray
) -> Section:
    """Return the section with the main metric of each class.

    Args:
        differences: of all metrics.
        metric: the main one.
        classes: K names.
        examples: of each class, int (K,).
    """
    by_class = {one.quantity.class_name: one for one in differences if one.quantity.metric == metric}
    by_class.pop(None, None)
    tested = [one for one in by_class.values() if defined(one.difference) is not None]
    if not tested:
        text = f'There are too many classes for intervals of each ({len(classes):,}), or none has examples.'
        return Section('classes', 'By class', [Text(text)], text)
    name = metric_name(tested[0])
    rows: list[list[Cell]] = [
        [own, int(examples[k]), *difference_cells(by_class[own])] for k, own in enumerate(classes) if own in by_class
    ]
    columns = difference_columns(Column('Class', 'class'), Column('Examples', 'count'))
    clear = [one for one in tested if one.clear]
    note = (
        f'Of {counted(len(tested), "class", "classes")} about {(1 - LEVEL) * len(tested):.1f} would look clear by '
        'chance alone.'
    )
    best, worst = (choose(tested, key=lambda one: one.difference) for choose in (max, min))
    texts = []
    if best.difference > 0:
        texts.append(f'{best.quantity.class_name} gained most, from {change_text(best)}')
    if worst.difference < 0:
        texts.append(f'{worst.quantity.class_name} lost most, from {change_text(worst)}')
    lead = f'The {name} of {len(clear):,} of {counted(len(tested), "class", "classes")} changed clearly'
    lead += ''.join(f'; {text}' for text in texts) + '.'
    return Section('classes', 'By class', [Table(f'{name} by class', columns, rows, note)], lead)


def changed_section(changed: Sequence[Changed], changes: Changes) -> Section:
    """Return the section of the images that changed most."""
    difference = changes.after - changes.before
    better, worse = int((difference > 0).sum()), int((difference < 0).sum())
    if not changed:
        text = f'No image changed in {changes.metric}.'
        return Section('images', 'Images that changed most', [Text(text)], text)
    rows: list[list[Cell]] = [
        [one.path, *(defined(value, 2) for value in (one.before, one.after, one.after - one.before))]
        for one in changed
    ]
    columns = [
        Column('Image', 'image'),
        Column('Before', 'percent', f'{changes.metric} in the first run'),
        Column('After', 'percent', f'{changes.metric} in the second run'),
        Column('Difference', 'number'),
    ]
    note = f'The {len(rows)} of {counted(better + worse, "changed image")} that changed most.'
    note = note if len(rows) < better + worse else ''
    lead = f'By {changes.metric}, {counted(better, "image")} became better and {worse:,} worse.'
    table = Table(f'Images by {changes.metric}', columns, rows, note)
    return Section('images', 'Images that changed most', [table], lead)


def flips_section(before: Predictions, after: Predictions, classes: Sequence[str]) -> Section:
    """Return the section of classified images that one run gets right and the other one wrong."""
    was, now = before.ranks < 1, after.ranks < 1
    columns = [
        Column('Image', 'image'),
        Column('True class', 'class'),
        Column('Before', 'class', 'predicted by the first run'),
        Column('Score before', 'score', 'of that class'),
        Column('After', 'class', 'predicted by the second run'),
        Column('Score after', 'score', 'of that class'),
    ]
    blocks: list[Block] = []
    flipped = {'Fixed': ~was & now, 'Broken': was & ~now}
    for title, chosen in flipped.items():
        change = np.abs(after.true_scores - before.true_scores)
        order = np.flatnonzero(chosen)[np.argsort(-change[chosen], kind='stable')].tolist()
        rows: list[list[Cell]] = [
            [
                before.paths[i],
                classes[before.labels[i]],
                classes[before.predicted[i]],
                float(before.confidence[i]),
                classes[after.predicted[i]],
                float(after.confidence[i]),
            ]
            for i in order[:LISTED_FLIPS]
        ]
        if rows:
            note = f'The first {len(rows)} of {len(order):,}.' if len(order) > len(rows) else ''
            blocks.append(Table(f'{title} images', columns, rows, note))
    fixed, broken = (int(chosen.sum()) for chosen in flipped.values())
    lead = f'{counted(fixed, "image")} became right and {broken:,} wrong.'
    return Section('flips', 'Fixed and broken images', blocks or [Text(lead)], lead)


def errors_section(before: DetectionAnalysis, after: DetectionAnalysis) -> Section:
    """Return the section of kinds of errors in two runs and the AP that each costs."""
    counts = [
        {kind: sum(error.kind == kind for error in own.kept_errors) for kind in KINDS} for own in (before, after)
    ]
    costs = [
        {kind: defined(100 * own.costs.mean(own.costs.by_kind[kind]), 2) for kind in KINDS} for own in (before, after)
    ]
    rows: list[list[Cell]] = [
        [KIND_WORDS[kind], *(one[kind] for one in counts), *(one[kind] for one in costs)] for kind in KINDS
    ]
    columns = [
        Column('Kind of error'),
        Column('Errors before', 'count', 'at the best scores of the first run'),
        Column('Errors after', 'count', 'at the best scores of the second run'),
        Column('Cost before', 'number', 'points of AP50 that it costs the first run'),
        Column('Cost after', 'number', 'points of AP50 that it costs the second run'),
    ]
    words = [KIND_WORDS[kind] for kind in KINDS]
    chart = Chart(
        'AP50 that each kind of error costs',
        Axis('kind of error'),
        Axis('points of AP50', 0),
        [
            Series(name, list(range(len(KINDS))), [one[kind] for kind in KINDS], 'bars')
            for name, one in zip(('before', 'after'), costs, strict=True)
        ],
        words,
    )
    saved = {kind: (costs[0][kind] or 0.0) - (costs[1][kind] or 0.0) for kind in KINDS}
    most = max(KINDS, key=lambda kind: abs(saved[kind]))
    lead = 'No kind of error costs more or less than before.'
    if saved[most]:
        old, new = (one[most] or 0.0 for one in costs)
        lead = f'What changed most is {KIND_WORDS[most]}: it costs {new:.1f} points of AP50 after {old:.1f} before.'
    return Section('errors', 'Kinds of errors', [chart, Table('Kinds of errors', columns, rows)], lead)
