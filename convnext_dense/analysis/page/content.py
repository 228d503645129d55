"""What the page shows of a run, from all files in its work dir; what is broken is said on the page."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ...checkpoints.files import COMMANDS
from ...config.find import find_run_config
from ...config.source import read_literals
from ...engine.csv_log import read_scalars
from ...errors import UserError
from ...tasks import TASKS, MainMetrics, Task
from .. import METRICS_FILE, SHOW_FOLDER
from ..show import INDEX
from . import diagnosis as diagnoses
from . import images as page_images
from .diagnosis import ReadDiagnosis
from .history import History, duration_words, length_words, read_history
from .images import PageImages
from .scalars import Logged, main_panels, metric_words, panels
from .tested import class_tables, difference_note, logged_headlines, main_headlines, metric_rows

Command = Callable[..., str]
"""The command line of a verb with its arguments, in the form in which this command was started."""
WEIGHTS = {'raw': 'raw weights', 'ema': 'averaged weights (EMA)'}


@dataclass
class RunContent:
    """A run on the page.

    Attributes:
        summary: what all views need of it, small.
        details: what its own view shows.
        images: its images.
        missing: results that it has not, in words.
    """

    summary: dict[str, Any]
    details: dict[str, Any]
    images: PageImages
    missing: list[str]


@dataclass
class RunFiles:
    """What was read of a run; what can't be read is among the problems, in one line each."""

    run: Path
    problems: list[str] = field(default_factory=list)
    logged: Logged = field(default_factory=dict)
    tested: dict[str, Any] = field(default_factory=dict)
    diagnosis: ReadDiagnosis = field(default_factory=ReadDiagnosis)
    settings: dict[str, Any] = field(default_factory=dict)
    config: dict[str, str] | None = None
    commands: list[str] = field(default_factory=list)
    history: History = field(default_factory=History)
    drawings: list[dict[str, str]] = field(default_factory=list)

    def image_count(self) -> int:
        """Return the number of images that the page could have of the run."""
        return len(self.diagnosis.images or self.drawings)


def describe_run(files: RunFiles, name: str, number: int, most_images: int, command: Command) -> RunContent:
    """Describe a run for the page.

    Args:
        files: its files.
        name: its name on the page, unique.
        number: its place among the runs, from 0.
        most_images: images that may be in the page.
        command: makes the commands that add what is missing.
    """
    task, main = _task_of(files)
    found = page_images.of_diagnosis(files.diagnosis, most_images)
    if not found.records:
        found = page_images.of_drawings(files.drawings, files.run / SHOW_FOLDER, most_images)
    missing, notes = _missing(files, command, has_diagnosis=main is None or main.is_diagnosed)
    metrics = _mapping(files.tested.get('metrics'))
    per_class = _mapping(files.tested.get('per_class'))
    headlines = files.diagnosis.get('headlines', [])
    headlines = headlines or main_headlines(metrics, main) or logged_headlines(files.logged, main)
    known = TASKS.get(task)
    facts = _facts(files, known, metrics)
    given = [] if known is None else known.steps_after(files.settings, files.run, command)
    compared = _compared(files, metrics)
    summary = {
        'id': f'run-{number}',
        'name': name,
        'task': task,
        'facts': facts,
        'facts_line': ' · '.join(part for part in (compared['length'], compared['time'], compared['date']) if part),
        'headlines': [_headline(one) for one in headlines],
        'steps': [_step(one) for one in [*files.diagnosis.get('steps', []), *map(asdict, given)]],
        'compared': compared,
        'compared_curves': main_panels(files.logged, main),
        'problems': files.problems,
        'missing': notes,
        'classes': [str(name) for name in files.diagnosis.get('classes', [])],
        'colors': files.diagnosis.get('colors', []),
        'best_score': files.diagnosis.content.get('best_score'),
        'best_scores': files.diagnosis.get('best_scores', {}),
        'kinds': found.kinds(),
        'panels': found.panel_names(),
        'images_note': found.note,
    }
    details = {
        'panels': panels(files.logged, main),
        'last_value': difference_note(files.logged, metrics, main),
        'results': {**metric_rows(metrics), 'source': _source_of(files.tested, main)} if metrics else None,
        'results_note': _note_on_results(files.diagnosis, files.tested),
        'per_class': class_tables(per_class) if per_class else [],
        'sections': files.diagnosis.get('sections', []),
        'numbers': found.numbers,
        'commands': files.commands,
        'config': files.config,
        'environment': files.history.chosen_environment(),
        'environment_rest': files.history.environment,
    }
    return RunContent(summary, details, found, missing)


def read_files(run: Path) -> RunFiles:
    """Read the files in a run's work dir; what is absent or broken is left out."""
    files = RunFiles(run, diagnosis=diagnoses.read(run), history=read_history(run))
    files.problems += files.diagnosis.problems
    try:
        files.logged = read_scalars(run)
    except UserError as error:
        files.problems.append(f'The log cannot be read: {error}.')
    metrics = run / METRICS_FILE
    if metrics.is_file():
        try:
            content = json.loads(metrics.read_text(encoding='utf-8'))
            files.tested = content if isinstance(content, dict) else {}
            if not isinstance(files.tested.get('metrics'), dict):
                raise ValueError('it has no metrics')
        except (OSError, ValueError) as error:
            files.tested = {}
            files.problems.append(f'`{metrics}` cannot be read ({str(error)[:100]}): test the run again.')
    config = _find_config(run)
    if config is not None:
        files.config = {'name': config.name, 'text': config.read_text(encoding='utf-8', errors='replace')}
        files.settings = read_literals(config) or {}
    commands = run / COMMANDS
    lines = commands.read_text(encoding='utf-8', errors='replace').splitlines() if commands.is_file() else []
    given = [files.tested.get('command'), files.diagnosis.content.get('command')]
    lines += [str(one) for one in given if one]
    files.drawings, problem = page_images.read_drawings(run / SHOW_FOLDER / INDEX)
    files.problems += [problem] if problem else []
    files.commands = list(dict.fromkeys(line for line in lines if line.strip()))
    return files


def _find_config(run: Path) -> Path | None:
    """The config that a run saved, whose checkpoints may be gone."""
    try:
        return find_run_config(run)
    except UserError:
        configs = sorted(run.glob('*.py'), key=lambda file: file.stat().st_mtime)
        return configs[-1] if configs else None


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _task_of(files: RunFiles) -> tuple[str, MainMetrics | None]:
    """The task's name, and its main metrics: by config, diagnosis, or the metrics that were logged."""
    named = files.settings.get('task') or files.diagnosis.content.get('task')
    if named in TASKS:
        return str(named), TASKS[str(named)].metrics
    metrics = {name.rsplit('/', 1)[-1] for name in [*files.logged, *_mapping(files.tested.get('metrics'))]}
    for name, task in TASKS.items():
        if metrics & task.metrics.labels.keys():
            return name, task.metrics
    return '', None


def _missing(files: RunFiles, command: Command, has_diagnosis: bool) -> tuple[list[str], list[dict[str, str]]]:
    """What a run has not, in words for the terminal, and in notes with commands for the page."""
    run, missing, notes = files.run, [], []
    is_diagnosed = files.diagnosis.file is not None and bool(files.diagnosis.content)
    if not has_diagnosis:
        if not files.tested:
            missing.append('test results')
            text = 'This run has not been tested. This command adds its results and images; then make the page again.'
            notes.append({'text': text, 'command': command('test', run)})
        return missing, notes
    if not files.tested and not is_diagnosed:
        missing += ['test results', 'diagnosis']
        notes.append(
            {
                'text': 'This run has not been tested. This command adds its results, by class too, why they are as '
                'they are, and a browser of its predictions; then make the page again.',
                'command': command('test', run, '--diagnose'),
            }
        )
    elif not is_diagnosed:
        missing.append('diagnosis')
        notes.append(
            {
                'text': 'There is no diagnosis yet. This command adds confusions, kinds of errors, suspected labels, '
                'what to try next and a browser of predictions; then make the page again.',
                'command': command('diagnose', run),
            }
        )
    return missing, notes


def _facts(files: RunFiles, task: Task | None, metrics: dict[str, Any]) -> list[tuple[str, str]]:
    history, diagnosis, tested = files.history, files.diagnosis.content, files.tested
    pairs = [
        ('folder', str(files.run)),
        ('task', task.name if task else ''),
        ('config', files.config['name'] if files.config else str(tested.get('config') or '')),
        ('tested data', str(diagnosis.get('data') or tested.get('data') or '')),
        ('checkpoint', str(diagnosis.get('checkpoint') or tested.get('checkpoint') or '')),
        ('training began', f'{history.started:%Y-%m-%d %H:%M}' if history.started else ''),
        ('training time', duration_words(history.time) if history.time else ''),
        ('starts', f'{history.starts}, resumed' if history.starts > 1 else ''),
        ('length', length_words(files.logged)),
        *(task.facts_of_run(files.settings) if task else ()),
    ]
    return [(key, value) for key, value in pairs if value]


def _compared(files: RunFiles, metrics: dict[str, Any]) -> dict[str, Any]:
    """Columns of the table of several runs."""
    history, diagnosis = files.history, files.diagnosis.content
    kinds = {name.split('/', 1)[0] for name in metrics}
    weights = diagnosis.get('weights') or ('ema' if 'ema' in kinds else next(iter(kinds), ''))
    images = diagnosis.get('tested_images') or metrics.get(f'{weights}/images')
    return {
        'weights': {'ema': 'EMA'}.get(weights, weights),
        'images': images,
        'length': length_words(files.logged),
        'time': duration_words(history.time) if history.time else '',
        'date': f'{history.started:%Y-%m-%d}' if history.started else '',
    }


def _source_of(tested: dict[str, Any], main: MainMetrics | None) -> str:
    checkpoint, data = tested.get('checkpoint'), tested.get('data')
    unit = 'metrics in percent' if main is None or main.unit else 'a loss, of which lower is better'
    return f'`{checkpoint}` on `{data}`; {unit}.' if checkpoint and data else f'{unit[0].upper()}{unit[1:]}.'


def _note_on_results(diagnosis: ReadDiagnosis, tested: dict[str, Any]) -> str:
    content = diagnosis.content
    if content.get('headlines'):
        weights = WEIGHTS.get(str(content.get('weights')), str(content.get('weights')))
        images = content.get('tested_images')
        count = f'{images:,} images' if isinstance(images, int) else 'the images'
        note = f'{weights[:1].upper()}{weights[1:]} on {count} of `{content.get("data", "the data")}`.'
        if any(one.get('low') is not None for one in content['headlines']):
            note += ' The intervals say how much the numbers would vary with other images like these.'
        return note
    return ''


def _headline(one: dict[str, Any]) -> dict[str, Any]:
    default = {'low': None, 'high': None, 'unit': '', 'lower_is_better': False}
    return {**default, **one, 'name': metric_words(one['name'])}


def _step(one: dict[str, Any]) -> dict[str, Any]:
    return {'rule': '', 'gain': 0.0, 'section': '', **one}
