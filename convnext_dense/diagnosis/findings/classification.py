"""What is found about a classifier."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...counting import counted
from ..calibration import Reliability
from ..classification import Predictions
from ..content import Axis, Block, Chart, Column, Gallery, Headline, Section, Series, Table, Text
from ..intervals import RESAMPLES
from ..records import NO_LABEL, ClassifiedImage
from ..suspects import Suspect, suspect_images
from . import shown, suspected
from .base import ClassFacts, Facts, Findings
from .shown import Intervals, defined, percent

HEADLINES = ('top1', 'top5', 'mean_class_top1', 'macro_F1', 'calibration_error')
CONFIDENT = 0.9
"""Score from which an error counts as a confident one."""
LEAST_TOP1 = 50.0
"""Top-1 in percent below which a model is too weak to judge labels."""
CALIBRATED = 2.0
"""Points between confidence and accuracy up to which neither is said to be too high."""


def find(records: Sequence[ClassifiedImage], classes: Sequence[str], resamples: int = RESAMPLES) -> Findings:
    """Find what a classifier confuses, how sure it is, and which labels are probably wrong.

    Images without a label take no part in numbers; without any label, the sections say what is predicted.

    Args:
        records: of all images.
        classes: K names.
        resamples: how often images are drawn for intervals.

    Raises:
        UserError: if scores are no probabilities.
    """
    labeled = [image for image in records if image.label != NO_LABEL]
    if not labeled:
        return _unlabeled(records, classes)
    predictions = Predictions.of(labeled, len(classes))
    by_class = len(classes) <= shown.CLASSES_WITH_INTERVALS
    measure = predictions.measure(classes, by_class=by_class)
    intervals = shown.intervals_of(measure, resamples)
    headlines = [shown.headline(intervals[name, None]) for name in HEADLINES if (name, None) in intervals]
    suspects = suspect_images(labeled)
    top1 = headlines[0]
    doubts = suspected.doubts_about_model(suspects, len(labeled), 'top-1', top1.value, LEAST_TOP1)
    numbers = {image.path: number for number, image in enumerate(records)}
    reliability = predictions.reliability()
    facts = _facts(predictions, classes, intervals, reliability, headlines, suspects, not doubts)
    sections = [
        _classes_section(facts, classes, predictions, intervals, resamples, len(records) - len(labeled)),
        _confusion_section(predictions, classes, facts),
        _calibration_section(reliability, facts),
        _errors_section(predictions, classes, numbers),
        suspected.suspects_section(suspects, numbers, classes, len(labeled), 'image', doubts),
    ]
    strong = {suspect.path for suspect in suspected.strongly_suspected(suspects)}
    values: dict[str, float | None] = {image.path: None for image in records}
    values.update(zip(predictions.paths, (100 * predictions.true_scores).tolist(), strict=True))
    found: dict[str, list[str]] = {image.path: [] for image in records}
    for path, rank, confidence in zip(predictions.paths, predictions.ranks, predictions.confidence, strict=True):
        kinds = ['wrong', *(['confident error'] if confidence >= CONFIDENT else [])] if rank else []
        found[path] = [*kinds, *(['label contradicted strongly'] if path in strong else [])]
    return Findings(headlines, sections, suspects, values, found, facts)


def _facts(
    predictions: Predictions,
    classes: Sequence[str],
    intervals: Intervals,
    reliability: Reliability,
    headlines: Sequence[Headline],
    suspects: Sequence[Suspect],
    judges_labels: bool,
) -> Facts:
    confusion = predictions.confusion
    rows = zip(
        classes, confusion.true_counts.tolist(), confusion.f1, confusion.precision, confusion.recall, strict=True
    )
    of_classes = []
    for name, examples, f1, precision, recall in rows:
        _, low, high = shown.interval_cells(intervals, 'F1', name)
        numbers = (defined(100 * value) for value in (precision, recall))
        of_classes.append(ClassFacts(name, examples, examples, defined(100 * f1), low, high, *numbers))
    top1 = headlines[0]
    return Facts(
        'top-1',
        top1.value,
        top1.low,
        top1.high,
        len(predictions.labels),
        'images',
        of_classes,
        shown.confusion_facts(confusion, classes),
        calibration_error=defined(100 * reliability.error),
        overconfidence=defined(100 * reliability.overconfidence),
        suspects=len(suspected.strongly_suspected(suspects)),
        judges_labels=judges_labels,
        labels=len(predictions.labels),
    )


def _classes_section(
    facts: Facts,
    classes: Sequence[str],
    predictions: Predictions,
    intervals: Intervals,
    resamples: int,
    unlabeled: int,
) -> Section:
    columns = [
        Column('Class', 'class'),
        Column('Examples', 'count', 'tested images of the class'),
        Column('Predicted', 'count', 'images that are predicted as the class'),
        *shown.interval_columns('Recall', 'share of the images of the class that are predicted as it'),
        *shown.interval_columns('Precision', 'share of the images predicted as the class that are of it'),
        *shown.interval_columns('F1', 'harmonic mean of precision and recall'),
    ]
    confusion = predictions.confusion
    metrics = {'recall': confusion.recall, 'precision': confusion.precision, 'F1': confusion.f1}
    rows = [
        [
            name,
            int(confusion.true_counts[k]),
            int(confusion.predicted_counts[k]),
            *(
                cell
                for m, value in metrics.items()
                for cell in shown.interval_cells(intervals, m, name, 100 * value[k])
            ),
        ]
        for k, name in enumerate(classes)
    ]
    blocks: list[Block] = [Table('Classes', columns, rows, shown.interval_note(facts.images, resamples))]
    if len(classes) > shown.CLASSES_WITH_INTERVALS:
        blocks.append(Text(f'Of {len(classes):,} classes, only the means over all have intervals.'))
    blocks += shown.absent_classes([one.name for one in facts.classes if not one.examples], 'tested image')
    if unlabeled:
        blocks.append(Text(f'{counted(unlabeled, "image")} without a label took no part in these numbers.'))
    return Section('classes', 'Classes', blocks, shown.weakest_class(facts, 'F1'))


def _confusion_section(predictions: Predictions, classes: Sequence[str], facts: Facts) -> Section:
    confusion = predictions.confusion
    errors = int((predictions.ranks > 0).sum())
    if len(classes) == 1:
        text = 'There is one class, which can be confused with no other one.'
        return Section('confusions', 'Confusions', [Text(text)], text)
    blocks: list[Block] = [shown.confusion_matrix(confusion, classes, 'images')]
    if not errors:
        return Section('confusions', 'Confusions', blocks, 'All images are predicted right.')
    blocks.append(shown.confusion_table(confusion, classes, 'images'))
    return Section('confusions', 'Confusions', blocks, shown.confusion_lead(facts.confusions[0], 'images', 'errors'))


def _calibration_section(reliability: Reliability, facts: Facts) -> Section:
    gap, error = facts.overconfidence or 0.0, facts.calibration_error
    if gap > CALIBRATED:
        verdict = 'too sure of itself'
    elif gap < -CALIBRATED:
        verdict = 'less sure of itself than it could be'
    else:
        verdict = 'about as sure as it is right'
    accuracy = facts.value or 0.0
    lead = (
        f'The model is {verdict}: its confidence is {percent(accuracy + gap)} in the mean, and {percent(accuracy)} is '
        f'right; the calibration error is {percent(error)}.'
    )
    centers = ((reliability.edges[:-1] + reliability.edges[1:]) / 2).tolist()
    filled = [k for k, number in enumerate(reliability.counts.tolist()) if number]
    diagram = Chart(
        'Reliability diagram',
        Axis('confidence', 0, 1),
        Axis('share that is right', 0, 1),
        [
            Series('right', [centers[k] for k in filled], [float(reliability.accuracy[k]) for k in filled], 'bars'),
            Series(
                'mean confidence of the bin',
                [float(reliability.confidence[k]) for k in filled],
                [float(reliability.accuracy[k]) for k in filled],
                'points',
            ),
            Series('as sure as right', [0.0, 1.0], [0.0, 1.0], 'reference'),
        ],
        note='Bars below the diagonal: the model is surer than it is right. Bins with few images vary by chance.',
    )
    histogram = Chart(
        'Images by confidence',
        Axis('confidence', 0, 1),
        Axis('images', 0),
        [Series('images', centers, [float(number) for number in reliability.counts], 'bars')],
    )
    return Section('calibration', 'Confidence', [diagram, histogram], lead)


def _errors_section(predictions: Predictions, classes: Sequence[str], numbers: dict[str, int]) -> Section:
    errors = predictions.confident_errors(len(predictions.labels))
    if not errors:
        text = 'No image is predicted wrong.'
        return Section('errors', 'Most confident errors', [Text(text)], text)
    confident = sum(error.confidence >= CONFIDENT for error in errors)
    lead = f'{len(errors):,} of {counted(len(predictions.labels), "image")} '
    lead += f'{"is" if len(errors) == 1 else "are"} predicted wrong, {confident:,} of them with a score of '
    lead += f'{CONFIDENT:g} or more.'
    top = errors[: shown.GALLERY]
    gallery = Gallery(
        'Most confident errors',
        [numbers[error.path] for error in top],
        [
            f'{classes[error.label]}, predicted as {classes[error.predicted]} '
            f'({error.confidence:.2f}; {classes[error.label]} {error.true_score:.2f})'
            for error in top
        ],
        'Errors of which the model is sure are often wrong labels, or images that fit two classes.',
    )
    return Section('errors', 'Most confident errors', [gallery], lead)


def _unlabeled(records: Sequence[ClassifiedImage], classes: Sequence[str]) -> Findings:
    """Say what is predicted for images without labels."""
    facts = Facts('top-1', None, None, None, len(records), 'images', [ClassFacts(n, 0, 0, None) for n in classes])
    if not records:
        text = 'There are no images, so that nothing can be said.'
        return Findings([], [Section('classes', 'Classes', [Text(text)], text)], [], {}, {}, facts)
    scores = np.stack([image.scores for image in records])
    predicted, confidence = scores.argmax(axis=1), scores.max(axis=1)
    counts = np.bincount(predicted, minlength=len(classes)).tolist()
    lead = (
        'The images have no labels: only what is predicted can be shown; accuracy, confusions, calibration and wrong '
        'labels need them.'
    )
    columns = [Column('Class', 'class'), Column('Predicted', 'count'), Column('Share', 'percent')]
    rows = [[name, times, 100 * times / len(records)] for name, times in zip(classes, counts, strict=True)]
    least = np.argsort(confidence, kind='stable')[: shown.GALLERY].tolist()
    blocks: list[Block] = [
        Table('Predicted classes', columns, rows),
        Gallery(
            'Least confident',
            least,
            [f'{classes[predicted[i]]} ({confidence[i]:.2f})' for i in least],
            'Labels of these images would teach the model most.',
        ),
    ]
    values = {image.path: None for image in records}
    return Findings([], [Section('classes', 'Classes', blocks, lead)], [], values, {p: [] for p in values}, facts)
