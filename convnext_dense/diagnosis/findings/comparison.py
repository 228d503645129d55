"""Two runs on the same images: which differences are more than the choice of images explains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..average_precision import average_precision_measure, group_precision_measure
from ..classification import Predictions, flips
from ..content import Section
from ..detection_curves import image_f1
from ..intervals import RESAMPLES, Difference, Measure, most_changed, paired_bootstrap
from ..panoptic_quality import image_quality, panoptic_measure
from ..record_file import RunRecords
from ..records import ClassifiedImage, DetectedImage, PanopticImage
from ..segmentation import image_iou, measure
from . import comparison_sections as sections
from .comparison_sections import Changes
from .detection_analysis import DetectionAnalysis, analyze
from .detection_precision import (
    PREDICTIONS_WITH_ALL_RESAMPLES,
    PREDICTIONS_WITH_ALL_RESAMPLES_OF_GROUPS,
    object_groups,
    resamples_for,
)
from .pairing import PairedRuns, pair_runs
from .shown import CLASSES_WITH_INTERVALS


@dataclass(frozen=True, eq=False)
class Comparison:
    """What differs between two runs.

    Attributes:
        runs: the two runs.
        differences: of all numbers, those of all classes first.
        resamples: how often images were drawn.
        changes: the number by which images are compared, of each image in both runs.
        fixed: images that only the second run gets right; empty but in classification.
        broken: images that only the first run gets right.
        sections: what to show.
    """

    runs: PairedRuns
    differences: Sequence[Difference]
    resamples: int
    changes: Changes
    fixed: Sequence[str]
    broken: Sequence[str]
    sections: Sequence[Section]


class _Measured(NamedTuple):
    """What is compared of a task: measures with their resamples, numbers of images, and sections of its own."""

    measures: Sequence[tuple[Measure, Measure, int]]
    changes: Changes
    class_metric: str
    examples: np.ndarray
    own: Sequence[Section] = ()
    fixed: Sequence[str] = ()
    broken: Sequence[str] = ()


def compare(
    before: RunRecords,
    after: RunRecords,
    names: tuple[str, str] = ('the first run', 'the second run'),
    resamples: int = RESAMPLES,
) -> Comparison:
    """Compare two runs by a paired bootstrap: both are measured on the same draws of images.

    Args:
        before: the first run.
        after: the second run.
        names: of the runs, for messages.
        resamples: how often images are drawn.

    Raises:
        UserError: if a run has no images, or the runs differ in their tasks, classes, images or ground truth.
    """
    runs = pair_runs(before, after, names)
    measured = next(compute for kind, compute in COMPUTE if issubclass(runs.kind, kind))(runs, resamples)
    differences: list[Difference] = []
    for first, second, times in measured.measures:
        differences += paired_bootstrap(first, second, times)
    differences.sort(key=lambda one: one.quantity.class_name is not None)  # stable
    counts = [times for _, _, times in measured.measures]
    paths = [record.path for record in runs.records[0]]
    changed = most_changed(paths, measured.changes.before, measured.changes.after, sections.CHANGED_IMAGES)
    shown = [
        sections.headline_section(differences, len(paths), counts, runs.notes),
        sections.class_section(differences, measured.class_metric, runs.classes, measured.examples),
        sections.changed_section(changed, measured.changes),
        *measured.own,
    ]
    return Comparison(runs, differences, max(counts), measured.changes, measured.fixed, measured.broken, shown)


def _classified(runs: PairedRuns, resamples: int) -> _Measured:
    labeled = [number for number, image in enumerate(runs.records[0]) if image.label >= 0]
    first, second = (Predictions.of([own[k] for k in labeled], len(runs.classes)) for own in runs.records)
    by_class = len(runs.classes) <= CLASSES_WITH_INTERVALS
    one, other = (own.measure(runs.classes, by_class=by_class) for own in (first, second))
    values = []
    for own in (first, second):
        of_images = np.full(len(runs.records[0]), np.nan)
        of_images[labeled] = 100 * own.true_scores
        values.append(of_images)
    fixed, broken = flips(first, second)
    return _Measured(
        [(one, other, resamples)],
        Changes('score of the true class', values[0], values[1]),
        'F1',
        first.confusion.true_counts,
        [sections.flips_section(first, second, runs.classes)],
        fixed,
        broken,
    )


def _detected(runs: PairedRuns, resamples: int) -> _Measured:
    masks = runs.overlaps is not None
    prefix = 'mask' if masks else 'box'
    of_both = runs.overlaps or (None, None)
    first, second = (
        analyze(records, runs.classes, masks, overlaps)
        for records, overlaps in zip(runs.records, of_both, strict=True)
    )
    predictions = max(len(own.matches.scores) for own in (first, second))
    of_all, of_groups = (
        resamples_for(predictions, resamples, whole)
        for whole in (PREDICTIONS_WITH_ALL_RESAMPLES, PREDICTIONS_WITH_ALL_RESAMPLES_OF_GROUPS)
    )
    measures = [
        (*_both(lambda own: average_precision_measure(own.matches, runs.classes, prefix), first, second), of_all)
    ]
    if masks:
        boxes = [analyze(records, runs.classes) for records in runs.records]
        measures.append(
            (
                *_both(
                    lambda own: average_precision_measure(own.matches, runs.classes, 'box').without_classes(),
                    boxes[0],
                    boxes[1],
                ),
                of_all,
            )
        )
    measures.append(
        (
            *_both(
                lambda own: group_precision_measure(
                    object_groups(own.records, len(own.classes), masks, own.overlaps), prefix
                ),
                first,
                second,
            ),
            of_groups,
        )
    )
    values = [100 * image_f1(own.matches, own.least.tolist()) for own in (first, second)]
    return _Measured(
        measures,
        Changes('F1 at the best scores', values[0], values[1]),
        f'{prefix}_AP',
        first.matches.objects.sum(axis=0),
        [sections.errors_section(first, second)],
    )


def _both(
    measured: Callable[[DetectionAnalysis], Measure], first: DetectionAnalysis, second: DetectionAnalysis
) -> tuple[Measure, Measure]:
    return measured(first), measured(second)


def _segmented(runs: PairedRuns, resamples: int) -> _Measured:
    by_class = len(runs.classes) <= CLASSES_WITH_INTERVALS
    one, other = (measure(records, runs.classes, by_class) for records in runs.records)
    values = [np.array([100 * image_iou(image) for image in records]) for records in runs.records]
    examples = np.sum([image.pixels.true_counts for image in runs.records[0]], axis=0)
    return _Measured([(one, other, resamples)], Changes('IoU', values[0], values[1]), 'IoU', examples)


def _panoptic(runs: PairedRuns, resamples: int) -> _Measured:
    things = runs.info[0].things or 0
    quality = [panoptic_measure([one.tallies for one in records], runs.classes, things) for records in runs.records]
    pixels = [measure(records, runs.classes, by_class=False).without_classes() for records in runs.records]
    values = [np.array([image_quality(image.tallies) for image in records]) for records in runs.records]
    examples = np.zeros(len(runs.classes), np.int64)
    for image in runs.records[0]:
        for label, (_, found, _, missed) in image.tallies.items():
            examples[label] += found + missed
    return _Measured(
        [(quality[0], quality[1], resamples), (pixels[0], pixels[1], resamples)],
        Changes('PQ', values[0], values[1]),
        'PQ',
        examples,
    )


COMPUTE: Sequence[tuple[type, Callable[[PairedRuns, int], _Measured]]] = (
    (ClassifiedImage, _classified),
    (DetectedImage, _detected),
    (PanopticImage, _panoptic),
    (object, _segmented),
)
"""What is compared of each kind of records; the first that fits."""
