"""The page on a comparison of two runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..counting import counted
from ..diagnosis.content import Diagnosis, Gallery, Headline
from ..diagnosis.findings.comparison import Comparison
from ..diagnosis.findings.comparison_sections import CHANGED_IMAGES, metric_name
from ..diagnosis.findings.shown import GALLERY, defined
from ..diagnosis.intervals import most_changed
from ..results.colors import class_colors
from .diagnosis_file import plain
from .page.build import write_runs
from .page.content import Command, RunFiles
from .page.diagnosis import ReadDiagnosis, read


def as_diagnosis(comparison: Comparison, names: Sequence[str], command: str) -> Diagnosis:
    """Return a comparison as what pages show: changes of the metrics as headlines, and sections, without images.

    Args:
        comparison: the comparison.
        names: of the two runs.
        command: the command line.
    """
    info = comparison.runs.info[1]
    of_all = [one for one in comparison.differences if one.quantity.class_name is None]
    headlines = [
        Headline(
            f'{metric_name(one)}, change',
            one.difference,
            one.low,
            one.high,
            'points',
            one.quantity.lower_is_better,
        )
        for one in of_all
        if defined(one.difference) is not None
    ]
    classes = list(comparison.runs.classes)
    return Diagnosis(
        info.task,
        classes,
        [(int(red), int(green), int(blue)) for red, green, blue in class_colors(classes)],
        info.weights,
        info.data,
        f'{names[1]}, after {names[0]}',
        command,
        len(comparison.runs.records[0]),
        headlines,
        comparison.sections,
        [],
        [],
    )


def write_comparison_page(
    comparison: Comparison,
    names: tuple[str, str],
    out: Path,
    command_line: str,
    command: Command,
    diagnosis: Path | None = None,
) -> None:
    """Write a self-contained page with all tables and charts of a comparison.

    Images that changed most are shown as the second run predicts them, those of them that its diagnosis has.

    Args:
        comparison: the comparison.
        names: of the two runs.
        out: the HTML file.
        command_line: that was run.
        command: makes the command lines that a page may show.
        diagnosis: the folder of the second run's diagnosis; None for a page without images.

    Raises:
        UserError: if the file can't be written.
    """
    title = f'{names[0]} and {names[1]}'
    content = plain(as_diagnosis(comparison, names, command_line))
    found = ReadDiagnosis() if diagnosis is None else read(diagnosis)
    images = _show_changed(comparison, content, found)
    shown = ReadDiagnosis(found.file or out, content, images)
    files = RunFiles(Path(names[1]), diagnosis=shown, commands=[command_line])
    write_runs([files], [title], out, command, title, len(images))


def _show_changed(comparison: Comparison, content: dict[str, Any], found: ReadDiagnosis) -> list[dict[str, Any]]:
    """Add a gallery of the images that changed most to the content of a page, and return their entries."""
    before, after = comparison.runs.records
    paths = {one.path: other.path for one, other in zip(before, after, strict=True)}  # data may have been moved
    entries = {one['path']: one for one in found.images}
    changes = comparison.changes
    changed = most_changed([one.path for one in before], changes.before, changes.after, CHANGED_IMAGES)
    chosen = [(one, entries[paths[one.path]]) for one in changed if paths[one.path] in entries][:GALLERY]
    section = next((one for one in content['sections'] if one['id'] == 'images'), None)
    if not chosen or section is None:
        return []
    gallery = Gallery(
        'As the second run predicts them',
        list(range(len(chosen))),
        [f'{changes.metric} {one.before:.1f}% to {one.after:.1f}%' for one, _ in chosen],
        f'Those of the {counted(len(changed), "image")} below that the diagnosis of the second run shows.',
    )
    section['blocks'].insert(0, plain(gallery))
    for key in ('best_scores', 'best_score'):
        content[key] = found.content.get(key)
    content['colors'] = found.get('colors', content['colors'])
    return [{**entry, 'path': one.path} for one, entry in chosen]
