"""Search for settings with Optuna."""

from __future__ import annotations

import argparse
import copy
import itertools
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mmengine.config import Config
from rich.console import Console
from rich.table import Table

from ...checkpoints import files as checkpoints
from ...checkpoints.disk import explain_full_disk
from ...config.freezing import freeze, freezes_backbone
from ...config.length import set_length
from ...config.read import read_config, read_in_steps
from ...config.recipe import KEY, SMALL, apply_small_recipe
from ...counting import counted
from ...engine.signals import StopRequest
from ...errors import Stopped, UserError
from ...evaluation.metric_names import format_metric
from ...sample_data.names import SAMPLES
from ...tasks import task_of
from ...tasks.tuned import Tuned
from ...tuning.plan import Watched, count_validations, digest, starts_from_weights, watched_metric
from ...tuning.ranges import Range, choose_ranges
from ...tuning.results import (
    TrialRow,
    command_text,
    compute_importances,
    document,
    trial_rows,
    write_document,
)
from ...tuning.study import Plan, Study, Work, folder_name
from ...tuning.trial_run import Outcome, Training
from ...tuning.worker import StudyStopped, run_trials, trial_options
from ..arguments import command_line, image_arguments, program, reading_arguments
from ..band_arguments import band_arguments
from ..parsers.tune import training_arguments
from ..tile_arguments import tile_options
from .train import given_by

BEST = 'best'
"""Folder of the study for training with the settings of the best trial."""
OF_BACKBONE = ('layer_decay', 'drop_path')
"""Settings that do nothing where the backbone is frozen."""


def run(args: argparse.Namespace) -> None:
    work_dir = _work_dir(args)
    watched, own, plan = make_plan(args, work_dir)
    arguments = training_arguments(shlex.split(args.command_line)[2:])
    study = Study(work_dir, args.storage, plan)
    commands = Commands(args, work_dir, arguments, own, watched.options)
    console = Console(width=None if Console().is_terminal else 160, highlight=False, soft_wrap=True)
    begun = trial_rows(study)
    for line in _introduction(args, plan, own, begun, work_dir):
        console.print(line)
    lines = Lines(console, study, partial(_write, args, study, commands))
    start = partial(Training, program=commands.program)
    with explain_full_disk(work_dir), StopRequest() as stop:
        try:
            run_trials(study, args.trials, start, commands.to_run, lines, lambda: bool(stop.number))
        except StudyStopped:
            done = sum(row.state != 'running' for row in trial_rows(study))
            print(f'{done} of {args.trials} trials have ended; continue with: {args.command_line}', file=sys.stderr)
            raise Stopped(stop.number) from None
        finally:
            lines.close()
    _show(console, args, study, commands, work_dir)


def make_plan(args: argparse.Namespace, work_dir: str) -> tuple[Watched, dict[str, Tuned], Plan]:
    """Read the config with the data, and return what is watched, the settings that it has, and the study's plan.

    Raises:
        UserError: if there is no validation, or a setting is asked for that the config does not have.
    """
    options: dict[str, Any] = dict(reads='train', **reading_arguments(args), **image_arguments(args))
    options |= dict(band_arguments(args), tiles=tile_options(args))
    cfg = read_config(args.config, args.cfg_options, args.data, without=args.without, **options)
    watched = watched_metric(cfg, args.cfg_options)
    if not any('CSVBackend' in str(one.get('type')) for one in cfg.visualizer.get('vis_backends') or ()):
        raise UserError('tune reads the validations that convnext_dense.CSVBackend writes: add it to vis_backends')
    set_length(cfg, args.epochs, args.iters)
    changed = _as_changed_by_options(args, options, watched)
    if args.recipe == SMALL:
        if args.pretrained is not None:
            cfg.pretrained = None if args.pretrained == 'none' else args.pretrained
        apply_small_recipe(cfg, given_by(args))
        changed.merge_from_dict(copy.deepcopy(cfg[KEY].settings))
    own = task_of(changed).tuned_settings(changed, starts_from_weights(changed, args.pretrained))
    if args.freeze is not None:
        freeze(changed, args.freeze, args.cfg_options)
    if freezes_backbone(changed):
        own = {name: one for name, one in own.items() if name not in OF_BACKBONE}
    if args.image_size is not None:  # which sets the same sizes
        own = {name: one for name, one in own.items() if not any(key.endswith('.scales') for key in one.change(0.5))}
    given: dict[str, Range] = {name: span for ranges in args.search for name, span in ranges.items()}
    ranges = choose_ranges(own, given, args.only, f'{args.config} ({task_of(cfg).name})')
    plan = Plan(
        name=args.study or Path(work_dir).name,
        metric=watched.metric,
        rule=watched.rule,
        ranges=ranges,
        own={name: own[name].own for name in ranges},
        pruner=args.pruner,
        seed=args.seed or 0,
        validations=count_validations(cfg),
        settings={
            'arguments of train': shlex.join(training_arguments(shlex.split(args.command_line)[2:])),
            'config': digest(changed),
        },
    )
    return watched, own, plan


def _as_changed_by_options(args: argparse.Namespace, options: Mapping[str, Any], watched: Watched) -> Config:
    """Return the config at the point where ``--cfg-options`` change it, whose keys those of the trials are."""
    changes = {**args.cfg_options, **watched.options, 'work_dir': 'tune'}
    read = {key: value for key, value in options.items() if key != 'reads'}
    steps = read_in_steps(args.config, changes, args.data, needs_data=False, without=args.without, **read)
    for step, cfg in steps:
        if step.name == '--cfg-options':
            return copy.deepcopy(cfg)
    raise AssertionError


class Commands:
    """The commands that train the trials of a study.

    Args:
        args: the arguments of this command.
        work_dir: the study's work dir.
        arguments: those of them that are for ``train``.
        own: the settings of the config.
        always: options of all trials.
    """

    def __init__(
        self,
        args: argparse.Namespace,
        work_dir: str,
        arguments: Sequence[str],
        own: Mapping[str, Tuned],
        always: Mapping[str, object],
    ) -> None:
        script = args.prog.endswith('.py')
        self.program = 'tools/train.py' if script else 'convnext-dense'
        self._start = program('train', script)
        self._seed = [] if args.seed is None else ['--seed', str(args.seed)]
        self._work_dir, self._arguments, self._own, self._always = work_dir, arguments, own, always

    def arguments(self, number: int, values: Mapping[str, float], folder: str | None = None) -> list[str]:
        """Return the arguments of ``train`` for a trial, by default in its own folder of the study."""
        folder = os.path.join(self._work_dir, folder or folder_name(number))
        options = trial_options(values, self._own, self._always)
        begin = [*self._arguments, *self._seed, '--work-dir', folder]
        return [*begin, '--cfg-options', *options] if options else begin

    def to_run(self, work: Work) -> list[str]:
        """Return the arguments that train a trial, or resume it from its newest checkpoint."""
        resumes = ['--resume'] if checkpoints.list_checkpoints(work.folder) else []
        arguments = self.arguments(work.number, work.values)
        place = arguments.index('--work-dir')
        return [*arguments[:place], *resumes, *arguments[place:]] if resumes else arguments

    def text(self, row: TrialRow) -> str:
        """Return the command line that trains a trial."""
        return command_text(self._start, self.arguments(row.number, row.values))

    def text_anew(self, row: TrialRow) -> str:
        """Return the command line that trains with the settings of a trial anew, in a folder without a run."""
        names = (BEST if number == 1 else f'{BEST}_{number}' for number in itertools.count(1))
        folder = next(one for one in names if not checkpoints.list_checkpoints(Path(self._work_dir, one)))
        return command_text(self._start, self.arguments(row.number, row.values, folder))


class Lines:
    """A line for each trial, and on terminals the progress of the one that runs.

    Args:
        console: where they are printed.
        study: the study.
        after: called after each trial.
    """

    def __init__(self, console: Console, study: Study, after: Any) -> None:
        self._console, self._study, self._after = console, study, after
        self._status = console.status('') if console.is_terminal else None

    def begun(self, work: Work) -> None:
        if work.resumed:
            self._console.print(f'{work.folder.name}: taken up where it was interrupted')
        self._show(f'{work.folder.name}: {describe_values(work.values)}')

    def validated(self, work: Work, values: Sequence[float]) -> None:
        of = f'validation {len(values)} of {self._study.plan.validations}'
        metric = self._study.plan.metric
        self._show(f'{work.folder.name}: {of}, {metric} {format_metric(metric, values[-1])}')

    def ended(self, work: Work, outcome: Outcome, value: float | None) -> None:
        if outcome.state in ('stopped', 'refused', 'full'):
            return
        plan, best = self._study.plan, self._study.best
        result = f'{plan.metric} {format_metric(plan.metric, value)}' if value is not None else outcome.state
        if outcome.state == 'pruned':
            result += f', pruned at validation {len(outcome.values)} of {plan.validations}'
        elif outcome.state == 'fail':
            result = f'failed: {outcome.why}'
        elif best is not None and best.number == work.number:
            result += ', the best so far'
        self._console.print(f'{work.folder.name}: {describe_values(work.values)}: {result}', markup=False)
        self._after()

    def close(self) -> None:
        """Remove the progress from the terminal."""
        if self._status is not None:
            self._status.stop()

    def _show(self, text: str) -> None:
        if self._status is not None:
            self._status.update(text)
            self._status.start()


def describe_values(values: Mapping[str, float]) -> str:
    """Describe parameters, such as ``lr 0.001, drop_path 0.1``."""
    return ', '.join(f'{name} {value:g}' for name, value in values.items())


def _introduction(
    args: argparse.Namespace, plan: Plan, own: Mapping[str, Tuned], begun: Sequence[TrialRow], work_dir: str
) -> list[str]:
    total, named = args.trials, args.only
    searched = {name for ranges in args.search for name in ranges}
    ranges = ', '.join(f'{name} {span.low:g} to {span.high:g}' for name, span in plan.ranges.items())
    better = 'highest' if plan.rule == 'greater' else 'lowest'
    lines = [f'{counted(total, "trial")} for the {better} {plan.metric}: {ranges}']
    left_out = {name: one for name, one in own.items() if name not in plan.ranges}
    if left_out and named is not None:
        lines.append(f'not searched, since --only does not name them: {", ".join(left_out)}')
    elif left_out:
        reasons = (f'{name} ({one.why_not}; --only names it)' for name, one in left_out.items())
        lines.append(f'not searched: {", ".join(reasons)}')
    if named is None and searched and (beside := [name for name in plan.ranges if name not in searched]):
        names = ','.join(name for name in plan.ranges if name in searched)
        lines.append(
            f'{", ".join(beside)} {"is" if len(beside) == 1 else "are"} searched beside what --search names: '
            f'--only {names} leaves {"it" if len(beside) == 1 else "them"} out'
        )
    outside = [name for name, value in plan.own.items() if value not in plan.ranges[name]]
    for name in outside:
        lines.append(
            f'{name} {plan.own[name]:g} of the config is outside of its range: the first trial has it all the same'
        )
    if begun:
        ended = sum(row.state != 'running' for row in begun)
        lines.append(f'the study in {work_dir} goes on: {counted(ended, "trial")} of {total} ended')
    return lines


def _work_dir(args: argparse.Namespace) -> str:
    name = f'{Path(args.config).stem}_tune' + (f'_{args.data.replace("-", "_")}' if args.data in SAMPLES else '')
    return args.work_dir or f'work_dirs/{name}'


def _write(args: argparse.Namespace, study: Study, commands: Commands) -> Path:
    rows, best = trial_rows(study), study.best
    texts = {row.number: commands.text(row) for row in rows}
    of_best = next((commands.text_anew(row) for row in rows if best is not None and row.number == best.number), '')
    return write_document(document(study, args.command_line, texts, of_best), study.work_dir)


def _show(console: Console, args: argparse.Namespace, study: Study, commands: Commands, work_dir: str) -> None:
    rows, best = trial_rows(study), study.best
    console.print(_table(rows, study.plan, None if best is None else best.number))
    file = _write(args, study, commands)
    running = sum(row.state == 'running' for row in rows)
    if running:
        console.print(f'{counted(running, "trial")} still run in other processes, which add them to {file}')
    importances = compute_importances(study)
    shares = ', '.join(f'{name} {share:.0%}' for name, share in importances.shares.items())
    console.print(f'importances: {shares} ({importances.method})' if shares else importances.method)
    if best is None:
        console.print('no trial has finished')
        return
    row = next(one for one in rows if one.number == best.number)
    assert row.value is not None
    value = format_metric(study.plan.metric, row.value)
    console.print(f'best: {row.folder}, {study.plan.metric} {value}, {describe_values(row.values)}')
    console.print('a run of its own with these settings, which can be a longer one:')
    console.print(commands.text_anew(row), markup=False)
    tested = command_line(args, 'test', Path(work_dir, row.folder))
    report = command_line(args, 'report', work_dir)
    console.print(f'`{tested}` tests it; {file} has all numbers, which `{report}` shows on a page', markup=False)


def _table(rows: Sequence[TrialRow], plan: Plan, best: int | None) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ('trial', *plan.ranges, plan.metric, 'state'):
        table.add_column(column, justify='left' if column in ('trial', 'state') else 'right')
    for row in rows:
        values = [f'{row.values[name]:g}' if name in row.values else '' for name in plan.ranges]
        result = '' if row.value is None else format_metric(plan.metric, row.value)
        state = f'{row.state}{": " + row.reason if row.state == "failed" else ""}'
        table.add_row(row.folder, *values, result, 'best' if row.number == best else state)
    return table
