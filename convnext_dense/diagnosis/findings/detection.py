"""What is found about a detector, of boxes or of instances with masks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...counting import counted
from ..content import Axis, Block, Cell, Chart, Column, Headline, Section, Series, Table, Text
from ..detection_confusion import detection_confusion
from ..detection_curves import image_f1
from ..detection_errors import KINDS
from ..intervals import RESAMPLES
from ..overlaps import is_crowd
from ..records import DetectedImage
from ..suspect_objects import suspect_objects
from . import shown, suspected
from .base import ClassFacts, Facts, Findings
from .detection_analysis import DetectionAnalysis, analyze, image_kinds, object_findings
from .detection_precision import Precision, box_precision, precision_of, precision_section
from .detection_sections import (
    class_images,
    classes_section,
    confusion_section,
    curves_section,
    errors_section,
    samples_section,
)
from .shown import defined

HEADLINES = ('AP', 'AP50', 'AP75', 'APs', 'APm', 'APl')
COUNTED_SCORES = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Scores from which predicted objects are counted where nothing can be measured."""

LEAST_AP = 10.0
"""AP in percent below which a model is too weak to judge labels."""


def find(
    records: Sequence[DetectedImage], classes: Sequence[str], masks: bool = False, resamples: int = RESAMPLES
) -> Findings:
    """Find what a detector misses, invents and confuses, what that costs, its best scores, and labels to check.

    Args:
        records: of all images.
        classes: K names.
        masks: whether instances have masks. Then all is found by masks, and AP of boxes as well.
        resamples: how often images are drawn for intervals.

    Raises:
        ValueError: if there should be masks, and predictions have none.
    """
    analysis = analyze(records, classes, masks)
    values = {
        image.path: defined(100 * f1)
        for image, f1 in zip(records, image_f1(analysis.matches, analysis.least.tolist()).tolist(), strict=True)
    }
    objects = int(analysis.matches.objects.sum())
    if not objects:
        return _without_objects(analysis, values)
    of_kinds = [precision_of(analysis, resamples)]
    if masks:
        of_kinds.append(box_precision(records, classes, resamples))
    confusion = detection_confusion(records, analysis.overlaps, len(classes), analysis.least.tolist(), masks=masks)
    suspects = suspect_objects(records, analysis.overlaps, analysis.matches, masks)
    headlines = _headlines(of_kinds)
    labels = sum(int((~is_crowd(image, masks)).sum()) for image in records)
    metric = f'{of_kinds[0].prefix} AP'
    doubts = suspected.doubts_about_model(suspects, labels, metric, headlines[0].value, LEAST_AP)
    facts = Facts(
        metric,
        headlines[0].value,
        headlines[0].low,
        headlines[0].high,
        len(records),
        'objects',
        _class_facts(analysis, of_kinds[0]),
        shown.confusion_facts(confusion, classes),
        {kind: 100 * analysis.costs.mean(analysis.costs.by_kind[kind]) for kind in KINDS},
        _error_counts(analysis),
        of_kinds[0].sizes,
        of_kinds[0].aspects,
        suspects=len(suspected.strongly_suspected(suspects)),
        labels=labels,
        judges_labels=not doubts,
        best_score=analysis.best_score,
    )
    numbers = {image.path: number for number, image in enumerate(records)}
    sections = [
        precision_section(of_kinds, len(records)),
        classes_section(analysis, of_kinds, facts, of_kinds[0].resamples),
        errors_section(analysis, facts),
        confusion_section(confusion, analysis, facts),
        curves_section(analysis, facts),
        samples_section(analysis),
        suspected.suspects_section(suspects, numbers, classes, facts.labels, 'object', doubts),
    ]
    strong = {suspect.path for suspect in suspected.strongly_suspected(suspects)}
    found = {
        path: [*kinds, *(['label contradicted strongly'] if path in strong else [])]
        for path, kinds in image_kinds(analysis).items()
    }
    return Findings(
        headlines,
        sections,
        suspects,
        values,
        found,
        facts,
        analysis.best_scores,
        analysis.best_score,
        object_findings(analysis),
    )


def _headlines(of_kinds: Sequence[Precision]) -> list[Headline]:
    headlines = []
    for number, one in enumerate(of_kinds):
        for name in HEADLINES if not number else HEADLINES[:3]:
            headlines.append(shown.headline(one.intervals[f'{one.prefix}_{name}', None]))
    return [one for one in headlines if one.value is not None]


def _error_counts(analysis: DetectionAnalysis) -> dict[str, int]:
    counts: dict[str, int] = dict.fromkeys(KINDS, 0)
    for error in analysis.kept_errors:
        counts[error.kind] += 1
    return counts


def _class_facts(analysis: DetectionAnalysis, precision: Precision) -> list[ClassFacts]:
    images = class_images(analysis)
    objects = analysis.matches.objects.sum(axis=0).tolist()
    facts = []
    for k, name in enumerate(analysis.classes):
        ap, low, high = shown.interval_cells(precision.intervals, f'{precision.prefix}_AP', name)
        best = analysis.curves[k].best
        nothing = 0.0 if objects[k] else None
        shares = (None, nothing) if best is None else (100 * best.precision, 100 * best.recall)
        facts.append(ClassFacts(name, objects[k], images[name], ap, low, high, *shares))
    return facts


def _without_objects(analysis: DetectionAnalysis, values: dict[str, float | None]) -> Findings:
    """Say what is predicted in images without annotated objects."""
    records, classes = analysis.records, analysis.classes
    name = 'mask AP' if analysis.masks else 'box AP'
    facts = Facts(name, None, None, None, len(records), 'objects', [ClassFacts(n, 0, 0, None) for n in classes])
    labels = np.concatenate([np.zeros(0, np.int64), *(image.labels for image in records)])
    scores = np.concatenate([np.zeros(0, np.float32), *(image.scores for image in records)])
    lead = (
        f'The {counted(len(records), "image")} have no annotated objects: only what is predicted can be shown; AP, '
        'errors, confusions, best scores and wrong labels need them.'
    )
    edges = np.linspace(0, 1, 21)
    counts = [np.bincount(labels[scores >= least], minlength=len(classes)).tolist() for least in COUNTED_SCORES]
    rows: list[list[Cell]] = [[name, *times] for name, *times in zip(classes, *counts, strict=True)]
    columns = [Column('Class', 'class'), *(Column(f'Score {least:g} or more', 'count') for least in COUNTED_SCORES)]
    blocks: list[Block] = [
        Table('Predicted objects', columns, rows),
        Chart(
            'Predictions by score',
            Axis('score', 0, 1),
            Axis('predictions', 0),
            [
                Series(
                    'predictions',
                    ((edges[:-1] + edges[1:]) / 2).tolist(),
                    np.histogram(scores, edges)[0].astype(float).tolist(),
                    'bars',
                )
            ],
        ),
    ]
    if not len(labels):
        lead = 'There are neither annotated nor predicted objects.'
        blocks = [Text(lead)]
    kinds = image_kinds(analysis)
    return Findings(
        [],
        [Section('classes', 'Classes', blocks, lead)],
        [],
        values,
        kinds,
        facts,
        {},
        None,
        object_findings(analysis),
    )
