"""Compare two diagnosed runs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ...analysis import DIAGNOSIS_FILE, DIAGNOSIS_FOLDER
from ...analysis.diagnosis_file import plain
from ...config.find import find_run_config, find_work_dir
from ...config.source import read_literals
from ...counting import counted
from ...diagnosis.content import Table
from ...diagnosis.findings.comparison import Comparison, compare
from ...diagnosis.findings.comparison_sections import metric_name, verdict
from ...diagnosis.findings.shown import defined
from ...diagnosis.intervals import LEVEL, Difference, most_changed
from ...diagnosis.record_file import RECORDS_FILE, read_records
from ...errors import UserError
from ...io.files import atomic_write, write_errors
from ...tasks import TASKS
from ...weights.file_kind import is_foreign
from ..arguments import command_line
from ..terminal import one_line

CLASSES = 10
"""Classes in the terminal."""
IMAGES = 5
"""Images in the terminal."""


def run(args: argparse.Namespace) -> None:
    names = (args.before, args.after)
    files = [find_records(Path(name), partial(command_line, args)) for name in names]
    if files[0].samefile(files[1]):
        raise UserError(f'{names[0]} and {names[1]} are the same run: name two runs')
    before, after = (read_records(file) for file in files)
    comparison = compare(before, after, names, args.resamples)
    for line in summary(comparison, names):
        print(one_line(line))
    if args.out is not None:
        content = json.dumps(plain(as_json(comparison, names)), indent=1, allow_nan=False, ensure_ascii=False)
        with write_errors(args.out, '--out'), atomic_write(args.out) as temporary:
            temporary.write_text(content + '\n', encoding='utf-8', errors='backslashreplace')
        print(f'the comparison is in {args.out}')
    if args.out_page is not None:
        from ...analysis.comparison_page import write_comparison_page  # imports torch, which nothing else here does

        command = partial(command_line, args)
        write_comparison_page(comparison, names, Path(args.out_page), args.command_line, command, files[1].parent)
        print(f'the page is at {Path(args.out_page).resolve()}')


def find_records(run: Path, command: Callable[..., str]) -> Path:
    """Return the file with a run's records.

    Args:
        run: its work dir, the folder of its diagnosis, that file itself, or a checkpoint.
        command: makes the commands that write them, or measure a run that has none.

    Raises:
        UserError: if there is none.
    """
    if run.is_file() and run.suffix == Path(RECORDS_FILE).suffix:
        return run
    if run.is_file() and run.name not in (RECORDS_FILE, DIAGNOSIS_FILE) and is_foreign(run):
        raise UserError(f'{run} is no run, diagnosis or checkpoint: name the work dir of a diagnosed run')
    folder = run if run.is_dir() else run.parent
    files = (folder / DIAGNOSIS_FOLDER / RECORDS_FILE, folder / RECORDS_FILE)
    if found := next((file for file in files if file.is_file()), None):
        return found
    config = find_run_config(folder) if find_work_dir(folder) else None
    known = TASKS.get(((read_literals(config) if config else None) or {}).get('task', ''))
    if known is not None and not known.metrics.is_diagnosed:
        raise UserError(
            f'{run} is a run for {known.name}, of which there are no records to compare: `{command("test", run)}` '
            f'measures the {known.metrics.title}; run it for both'
        )
    raise UserError(f'{run} has no records to compare: `{command("diagnose", run)}` writes them, then compare again')


def summary(comparison: Comparison, names: Sequence[str]) -> list[str]:
    """Return the most important of a comparison as lines."""
    infos = comparison.runs.info
    lines = [
        f'{side} {name} ({"averaged" if info.weights == "ema" else "raw"} weights of {info.checkpoint})'
        for side, name, info in zip(('before:', 'after: '), names, infos, strict=True)
    ]
    images = counted(len(comparison.runs.records[0]), 'image')
    lines += [f'{images}, {counted(comparison.resamples, "resample")}, intervals of {100 * LEVEL:g}%', '']
    of_all = [one for one in comparison.differences if one.quantity.class_name is None]
    lines += [*_table([(metric_name(one), one) for one in of_all], 'metric'), *_notes(comparison, 'differences')]
    main = next((section for section in comparison.sections if section.id == 'classes'), None)
    if main is not None and (by_class := _classes(comparison)):
        lines += ['', main.lead, *_table([(str(one.quantity.class_name), one) for one in by_class], 'class')]
        lines += _notes(comparison, 'classes')
    changes = comparison.changes
    paths = [record.path for record in comparison.runs.records[0]]
    changed = most_changed(paths, changes.before, changes.after, IMAGES)
    for section in comparison.sections:
        if section.id in ('images', 'flips', 'errors'):
            lines += ['', section.lead]
        if section.id == 'images':
            lines += [f'  {one.before:6.1f} to {one.after:6.1f}  {one.path}' for one in changed]
    return lines + [line for note in comparison.runs.notes for line in ('', note)]


def _notes(comparison: Comparison, section: str) -> list[str]:
    """Return the notes at the tables of a section: what the numbers in them do not tell."""
    blocks = (block for one in comparison.sections if one.id == section for block in one.blocks)
    return [block.note for block in blocks if isinstance(block, Table) and block.note]


def _classes(comparison: Comparison) -> list[Difference]:
    """Return the classes that changed clearly, or else most, the most changed first."""
    metrics = [one.quantity.metric for one in comparison.differences if one.quantity.class_name is not None]
    preferred = 'F1' if 'F1' in metrics else metrics[0] if metrics else ''
    own = [one for one in comparison.differences if one.quantity.class_name and one.quantity.metric == preferred]
    own = [one for one in own if defined(one.difference) is not None]
    own.sort(key=lambda one: (not one.clear, -abs(one.difference)))
    return own[:CLASSES]


def _table(rows: Sequence[tuple[str, Difference]], heading: str) -> list[str]:
    shown = [(name, one) for name, one in rows if defined(one.difference) is not None]
    width = max([len(heading), *(len(name) for name, _ in shown)])
    lines = [f'{heading:<{width}}  {"before":>7} {"after":>7} {"change":>7}   {"interval":<18} in favor']
    for name, one in shown:
        bounds = f'{one.low:+.2f} to {one.high:+.2f}'
        numbers = f'{one.before:7.2f} {one.after:7.2f} {one.difference:+7.2f}'
        lines.append(f'{name:<{width}}  {numbers}   {bounds:<18} {100 * one.in_favor:7.1f}%  {verdict(one)}')
    return lines


def as_json(comparison: Comparison, names: Sequence[str]) -> dict[str, Any]:
    """Return all of a comparison, as plain values for a JSON file; numbers that are not defined are NaN."""
    runs, changes = comparison.runs, comparison.changes
    paths = [record.path for record in runs.records[0]]
    return {
        'before': {'run': names[0], **_described(runs.info[0])},
        'after': {'run': names[1], **_described(runs.info[1])},
        'classes': list(runs.classes),
        'images': len(paths),
        'resamples': comparison.resamples,
        'level': LEVEL,
        'notes': list(runs.notes),
        'differences': [
            {
                'metric': one.quantity.metric,
                'class': one.quantity.class_name,
                'lower_is_better': one.quantity.lower_is_better,
                'before': one.before,
                'after': one.after,
                'difference': one.difference,
                'low': one.low,
                'high': one.high,
                'in_favor': one.in_favor,
                'resamples': one.resamples,
                'clear': one.clear,
            }
            for one in comparison.differences
        ],
        'image_metric': changes.metric,
        'changed_images': [
            {'path': one.path, 'before': one.before, 'after': one.after}
            for one in most_changed(paths, changes.before, changes.after, len(paths))
        ],
        'fixed': list(comparison.fixed),
        'broken': list(comparison.broken),
        'sections': list(comparison.sections),
    }


def _described(info: Any) -> dict[str, str]:
    return {'task': info.task, 'data': info.data, 'checkpoint': info.checkpoint, 'weights': info.weights}
