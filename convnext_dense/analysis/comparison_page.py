"""The page on a comparison of two runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..diagnosis.content import Diagnosis, Headline
from ..diagnosis.findings.comparison import Comparison
from ..diagnosis.findings.comparison_sections import metric_name
from ..diagnosis.findings.shown import defined
from ..results.colors import class_colors
from .diagnosis_file import plain
from .page.build import write_runs
from .page.content import Command, RunFiles
from .page.diagnosis import ReadDiagnosis


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
    comparison: Comparison, names: tuple[str, str], out: Path, command_line: str, command: Command
) -> None:
    """Write a self-contained page with all tables and charts of a comparison.

    Args:
        comparison: the comparison.
        names: of the two runs.
        out: the HTML file.
        command_line: that was run.
        command: makes the command lines that a page may show.

    Raises:
        UserError: if the file can't be written.
    """
    title = f'{names[0]} and {names[1]}'
    content = plain(as_diagnosis(comparison, names, command_line))
    files = RunFiles(Path(names[1]), diagnosis=ReadDiagnosis(out, content), commands=[command_line])
    write_runs([files], [title], out, command, title)
