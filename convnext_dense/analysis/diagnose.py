"""A diagnosis of a tested checkpoint, put together and written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..counting import counted
from ..diagnosis.content import Diagnosis, Section, Text
from ..diagnosis.findings.base import Findings, gallery_images, with_shown_images
from ..diagnosis.labels_to_check import with_table
from ..diagnosis.next_steps import next_steps
from ..diagnosis.record_file import RECORDS_FILE, RunInfo, write_records
from ..diagnosis.records import ClassifiedImage, DetectedImage
from ..diagnosis.run_facts import UNKNOWN, RunFacts
from ..diagnosis.step_rules.base import Known
from ..diagnosis.suspects import Suspect
from ..io.files import write_errors
from ..results.colors import class_colors
from ..tasks import Task
from ..tasks.findings import have_masks
from .collect import CollectedTest
from .data_findings import NOTHING, DataFindings
from .diagnosis_file import write_diagnosis
from .shown_images import choose_images, show_images
from .suspect_files import COCO_FILE, CSV_FILE, write_coco, write_csv


class Source(NamedTuple):
    """What was tested, to be named in a diagnosis."""

    task: Task
    data: str
    checkpoint: str
    command: str


def diagnose(
    collected: CollectedTest,
    source: Source,
    folder: Path,
    count: int,
    data: DataFindings = NOTHING,
    run: RunFacts = UNKNOWN,
) -> tuple[Diagnosis, Findings | None]:
    """Find out why a checkpoint is as good as it is, and write that into a folder.

    Args:
        collected: the images of the test.
        source: what was tested.
        folder: an empty folder.
        count: images in the browser.
        data: what was found in the data.
        run: what is known of the run.

    Returns:
        The diagnosis, and what was found by comparing with ground truth; None without it or without images.

    Raises:
        UserError: if a file can't be written.
    """
    found = source.task.find(collected.images, collected.metainfo) if collected.images else None
    findings = found if collected.has_truth else None
    wanted = [] if found is None else gallery_images(found.sections)
    numbers = choose_images(collected, findings, count, wanted if count else ())
    shown, kept = show_images(collected, findings, numbers, folder)
    classes = [str(name) for name in collected.metainfo['classes']]
    sections = [] if found is None else with_shown_images(found.sections, kept)
    sections = without_truth(collected, sections) if findings is None else sections
    suspects = [*([] if findings is None else findings.suspects), *data.suspects]
    sections = [*with_table(sections, suspects, classes), *data.sections]
    facts = None if findings is None else findings.facts
    known = Known(facts, data.training, data.tested, run, data.leaks, data.compared, collected.weights)
    _write_suspects(collected, suspects, classes, folder)
    if findings is not None:
        _write_records(collected, source, classes, folder)
    diagnosis = Diagnosis(
        source.task.name,
        classes,
        _colors(collected, classes),
        collected.weights,
        source.data,
        source.checkpoint,
        source.command,
        len(collected.images),
        [] if findings is None else findings.headlines,
        sections,
        next_steps(known),
        shown,
        None if findings is None else findings.best_scores,
        None if findings is None else findings.best_score,
    )
    write_diagnosis(diagnosis, folder)
    return diagnosis, findings


def _write_records(collected: CollectedTest, source: Source, classes: Sequence[str], folder: Path) -> None:
    """Write the records of all images, from which runs are compared."""
    stuff = collected.metainfo.get('stuff_classes')
    things = None if stuff is None else len(classes) - len(stuff)
    info = RunInfo(source.task.name, classes, things, source.data, source.checkpoint, collected.weights)
    records: Any = [image.record for image in collected.images]
    detected = [one for one in records if isinstance(one, DetectedImage)]
    write_records(folder / RECORDS_FILE, info, records, bool(detected) and have_masks(detected))


def _write_suspects(
    collected: CollectedTest, suspects: Sequence[Suspect], classes: Sequence[str], folder: Path
) -> None:
    """Write the suspects as a CSV file and, where labels have places in images, as a COCO file."""
    records = [image.record for image in collected.images]
    with write_errors(folder, '--out'):
        write_csv(folder / CSV_FILE, suspects, classes)
        if not all(isinstance(one, ClassifiedImage) for one in records):
            sizes = {one.path: one.size for one in records if isinstance(one, DetectedImage)}
            write_coco(folder / COCO_FILE, suspects, classes, sizes)


def without_truth(collected: CollectedTest, sections: Sequence[Section]) -> list[Section]:
    """Return what can be said of predictions alone.

    Args:
        collected: the images of the test, which have no ground truth.
        sections: what the task finds in them, whose tables, charts and images are taken.
    """
    why = 'no image could be tested' if not collected.images else 'the images have no ground truth'
    text = Text(
        f'Nothing is measured, since {why}: no metrics, confusions, errors or suspected labels. '
        f'{counted(len(collected.images), "image")} can be browsed.'
    )
    shown = [block for section in sections for block in section.blocks if not isinstance(block, Text)]
    return [Section('predictions', 'Predictions', [text, *shown])]


def _colors(collected: CollectedTest, classes: list[str]) -> list[tuple[int, int, int]]:
    own = np.asarray(collected.metainfo.get('palette', ()))
    colors = own if own.shape == (len(classes), 3) else class_colors(classes)
    return [(int(red), int(green), int(blue)) for red, green, blue in colors]
