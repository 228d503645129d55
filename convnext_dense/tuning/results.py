"""Results of a study: table, charts, importances and the best trial, as commands print and ``tune.json`` holds them.

The sections are those of :mod:`convnext_dense.diagnosis.content`, which the page of ``report`` shows.
"""

from __future__ import annotations

import json
import math
import os
import shlex
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..analysis.diagnosis_file import plain
from ..counting import counted
from ..diagnosis.content import Axis, Block, Chart, Column, Parallel, Section, Series, Table, Text
from ..diagnosis.findings.shown import defined
from ..evaluation.metric_names import format_metric
from ..io.files import atomic_write
from ..tasks.tuned import SETTINGS
from .ranges import Range
from .study import REASON_KEY, VALUES_KEY, Study, folder_name

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

FILE_NAME = 'tune.json'
LEAST_TRIALS = 4
"""Finished trials from which importances are computed."""
FEW_TRIALS = 20
"""Finished trials below which importances are a hint: a setting that does not matter may come out first."""
COLORS = {'finished': 1, 'pruned': 2, 'best so far': 3}
"""Numbers of the colors of series, the same in all charts."""
STATES = {'COMPLETE': 'finished', 'PRUNED': 'pruned', 'FAIL': 'failed', 'RUNNING': 'running'}


@dataclass(frozen=True)
class TrialRow:
    """A trial in tables and in ``tune.json``.

    Attributes:
        number: its number, from 0.
        folder: its folder's name in the work dir.
        state: finished, pruned, failed or running.
        value: the best value of the metric so far; None if it has none.
        values: its parameters.
        validations: the metric at each validation.
        minutes: from its begin to its end, with the time between, if it was resumed.
        reason: why it has failed or was pruned, or empty.
    """

    number: int
    folder: str
    state: str
    value: float | None
    values: Mapping[str, float]
    validations: Sequence[float]
    minutes: float | None
    reason: str


@dataclass(frozen=True)
class Importances:
    """How much the metric depends on each setting; the shares add up to 1.

    Attributes:
        shares: by setting, the largest first; empty if they can't be computed.
        method: what computed them, or why nothing did.
        are_sure: there are enough trials for more than a hint.
    """

    shares: Mapping[str, float]
    method: str
    are_sure: bool = False


def trial_rows(study: Study) -> list[TrialRow]:
    """Return all trials that were begun, by number."""
    return [_row(trial, study.plan.rule == 'greater') for trial in study.trials()]


def _row(trial: FrozenTrial, greater: bool) -> TrialRow:
    validations = [trial.intermediate_values[step] for step in sorted(trial.intermediate_values)]
    numbers = [value for value in validations if not math.isnan(value)]
    best = (max if greater else min)(numbers) if numbers else None
    ends, begins = trial.datetime_complete, trial.datetime_start
    minutes = round((ends - begins).total_seconds() / 60, 1) if ends and begins else None
    return TrialRow(
        trial.number,
        folder_name(trial.number),
        STATES[trial.state.name],
        trial.value if trial.state.name == 'COMPLETE' else best,
        trial.user_attrs.get(VALUES_KEY, {}),
        validations,
        minutes,
        trial.user_attrs.get(REASON_KEY, ''),
    )


def compute_importances(study: Study) -> Importances:
    """Compute how much the metric of the finished trials depends on each setting.

    By fANOVA where scikit-learn is installed and all trials have all settings, else by PED-ANOVA.
    """
    from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator, get_param_importances

    finished = [one for one in study.trials() if one.state.name == 'COMPLETE']
    if len(finished) < LEAST_TRIALS:
        return Importances({}, f'importances need {LEAST_TRIALS} finished trials, there are {len(finished)}')
    if len({one.value for one in finished}) < 2:
        return Importances({}, 'all trials have the same result, so that no setting matters')
    names = [name for name, span in study.plan.ranges.items() if span.low < span.high]
    complete = all(set(names) <= one.params.keys() for one in finished)
    methods: list[tuple[str, Any]] = [('PED-ANOVA', PedAnovaImportanceEvaluator())]
    if complete:
        with suppress(ImportError):
            methods.insert(0, ('fANOVA', FanovaImportanceEvaluator(seed=study.plan.seed)))
    for method, evaluator in methods:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            try:
                shares = get_param_importances(study.optuna_study, evaluator=evaluator, params=names)
            except (ImportError, ValueError, RuntimeError, ZeroDivisionError):
                continue
        if shares and all(math.isfinite(share) for share in shares.values()):
            few = f', of which fewer than {FEW_TRIALS} give a hint at most' if len(finished) < FEW_TRIALS else ''
            return Importances(
                {name: float(share) for name, share in shares.items()},
                f'{method} of {len(finished)} trials{few}',
                not few,
            )
    return Importances({}, 'no method could compute importances from these trials')


def make_sections(study: Study, rows: Sequence[TrialRow], importances: Importances) -> list[Section]:
    """Make the sections of a page: history, trials, importances, settings against metric, parallel coordinates."""
    plan = study.plan
    blocks: list[Block] = [
        _table(rows, list(plan.ranges), plan.metric, None if study.best is None else study.best.number)
    ]
    if any(row.value is not None for row in rows):
        blocks.insert(0, _history(rows, plan.metric, plan.rule == 'greater'))
    sections = [Section('tune', 'Search for settings', blocks, _lead(study, rows))]
    shares = importances.shares
    if shares:
        chart = Chart(
            'Importance of the settings',
            Axis('setting'),
            Axis('share of the variance explained', 0.0, 1.0),
            [Series('importance', list(range(len(shares))), [round(one, 4) for one in shares.values()], 'bars')],
            list(shares),
            importances.method,
        )
        lead = f'{next(iter(shares))} matters most' if importances.are_sure else ''
        sections.append(Section('tune-importance', 'What matters', [chart], lead))
    else:
        sections.append(Section('tune-importance', 'What matters', [Text(importances.method)]))
    measured = [row for row in rows if row.value is not None and row.values]
    if measured:
        charts = [_against(name, measured, plan.metric) for name in _varied(measured, plan.ranges)]
        sections.append(Section('tune-settings', 'Settings and results', [_parallel(study, measured), *charts]))
    return sections


def _varied(rows: Sequence[TrialRow], ranges: Mapping[str, Range]) -> list[str]:
    return [name for name in ranges if len({row.values.get(name) for row in rows}) > 1]


def _lead(study: Study, rows: Sequence[TrialRow]) -> str:
    best = next((row for row in rows if study.best is not None and row.number == study.best.number), None)
    if best is None or best.value is None:
        return f'{counted(len(rows), "trial")}, none of them finished'
    first = next((row for row in rows if row.number == 0), None)
    metric = study.plan.metric
    value = format_metric(metric, best.value)
    text = f'{best.folder} is the best of {counted(len(rows), "trial")}: {metric} {value}'
    if first is not None and first.number != best.number and first.value is not None:
        text += f', {format_metric(metric, first.value)} with the settings of the config'
    return text


def _table(rows: Sequence[TrialRow], names: Sequence[str], metric: str, best: int | None) -> Table:
    failed = any(row.state == 'failed' for row in rows)
    place = next((i for i, row in enumerate(rows) if row.number == best), None)
    columns = [
        Column('trial', 'count', 'its number, by which its folder trial_NNN in the work dir is named'),
        Column(metric, 'number', 'the best value at a validation, that of best.pth'),
        *(Column(name, 'number', SETTINGS[name].meaning) for name in names),
        Column('state'),
        Column('validations', 'count'),
        Column('minutes', 'number', 'from begin to end'),
        *([Column('why', 'text', 'why it has failed')] if failed else []),
    ]
    cells = [
        [
            row.number,
            defined(row.value),
            *(row.values.get(name) for name in names),
            f'{row.state}, the best' if row.number == best else row.state,
            len(row.validations),
            row.minutes,
            *([row.reason if row.state == 'failed' else None] if failed else []),
        ]
        for row in rows
    ]
    return Table(
        'Trials', columns, cells, 'the first trial has the settings of the config', [] if place is None else [place]
    )


def _history(rows: Sequence[TrialRow], metric: str, greater: bool) -> Chart:
    series, best = [], None
    reached: list[tuple[int, float]] = []
    for row in rows:
        if row.state == 'finished' and row.value is not None:
            best = row.value if best is None else (max if greater else min)(best, row.value)
        if best is not None:
            reached.append((row.number, best))
    for state in ('finished', 'pruned'):
        points = [(row.number, row.value) for row in rows if row.state == state and row.value is not None]
        if points:
            series.append(Series(state, [x for x, _ in points], [y for _, y in points], 'points', color=COLORS[state]))
    if reached:
        series.append(
            Series(
                'best so far', [x for x, _ in reached], [y for _, y in reached], 'line', color=COLORS['best so far']
            )
        )
    return Chart('History', Axis('trial'), Axis(metric), series)


def _against(name: str, rows: Sequence[TrialRow], metric: str) -> Chart:
    series = []
    for state in ('finished', 'pruned'):
        points = [(row.values[name], row.value) for row in rows if row.state == state and name in row.values]
        if points:
            series.append(Series(state, [x for x, _ in points], [y for _, y in points], 'points', color=COLORS[state]))
    return Chart(f'{name} and {metric}', Axis(name, log=SETTINGS[name].log), Axis(metric), series)


def _parallel(study: Study, rows: Sequence[TrialRow]) -> Parallel:
    plan = study.plan
    axes = [Axis(name, span.low, span.high, SETTINGS[name].log) for name, span in plan.ranges.items()]
    values = [[*(row.values.get(name) for name in plan.ranges), defined(row.value)] for row in rows]
    return Parallel(
        'Settings of all trials',
        [*axes, Axis(plan.metric)],
        values,
        [row.folder for row in rows],
        plan.rule == 'greater',
        'a line for each trial, from setting to setting, from orange for the worst results to blue for the best',
    )


def document(study: Study, command: str, commands: Mapping[int, str], of_best: str = '') -> dict[str, Any]:
    """Return the content of ``tune.json``.

    Args:
        study: the study.
        command: the command line of the study.
        commands: the command line that trained each trial, by number.
        of_best: the command line that trains with the settings of the best trial anew.
    """
    rows, importances, best = trial_rows(study), compute_importances(study), study.best
    found = next((row for row in rows if best is not None and row.number == best.number), None)
    plan = study.plan
    return {
        'command': command,
        'study': plan.name,
        'metric': plan.metric,
        'rule': plan.rule,
        'ranges': {name: list(span) for name, span in plan.ranges.items()},
        'own': dict(plan.own),
        'settings': plan.as_texts(),
        'best': None if found is None else {**asdict(found), 'command': of_best},
        'importances': {'shares': dict(importances.shares), 'method': importances.method},
        'trials': [{**asdict(row), 'command': commands.get(row.number, '')} for row in rows],
        'sections': make_sections(study, rows, importances),
    }


def write_document(content: Mapping[str, Any], work_dir: Path) -> Path:
    """Write ``tune.json`` into a study's work dir, with null for NaN and infinity, and return its path."""
    path = work_dir / FILE_NAME
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(plain(content), indent=1, allow_nan=False) + '\n')
    return path


def command_text(program: str, arguments: Sequence[str]) -> str:
    """Return a command line for a terminal."""
    return f'{program} {shlex.join(map(os.fspath, arguments))}'
