"""Diagnose a checkpoint."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmengine.dist import is_main_process

from ...analysis import DIAGNOSIS_FILE, DIAGNOSIS_FOLDER
from ...analysis.collect import CollectedTest, CollectImages
from ...analysis.data_findings import look_at_data
from ...analysis.diagnose import Source, diagnose
from ...analysis.run_facts import read_run_facts
from ...analysis.suspect_files import CSV_FILE
from ...config.find import find_work_dir
from ...config.machine import cores
from ...counting import counted
from ...diagnosis.content import Diagnosis
from ...diagnosis.findings.base import Findings
from ...diagnosis.labels_to_check import SECTION as SUSPECTS
from ...io.files import replaced_folder
from ..arguments import command_line
from ..commercial import check_commercial
from ..prepared_test import PreparedTest
from ..terminal import one_line

DATA_SECTIONS = ('data', 'duplicates')
"""Sections about the data, whose leads are printed."""
STEPS = 3
"""Steps to try next in the terminal."""


def run(args: argparse.Namespace) -> None:
    check_commercial(args, [args.checkpoint])
    prepared = PreparedTest(args)
    if args.weights is None:
        prepared.cfg.test_cfg.weights = 'ema' if prepared.has_average else 'raw'
    prepared.allow_no_annotations()
    prepared.keep_for_diagnosis()
    collect = CollectImages(prepared.task, args.diagnosed_images)
    with prepared.runner() as runner:
        runner.register_hook(collect)
        runner.test()
    write_diagnosis(args, prepared, collect.collected)


def write_diagnosis(args: argparse.Namespace, prepared: PreparedTest, collected: CollectedTest) -> None:
    """Write a diagnosis into its folder, in the main process, and print the most important of it."""
    if not is_main_process():
        return
    source = Source(prepared.task, prepared.data, str(prepared.cfg.load_from), args.command_line)
    classes = [str(name) for name in collected.metainfo['classes']]
    compares = not getattr(args, 'no_duplicates', False)
    data = look_at_data(prepared.task, prepared.cfg, prepared.training_config, classes, compares, cores())
    run = read_run_facts(prepared.run, prepared.cfg, prepared.task)
    with replaced_folder(args.diagnosis, DIAGNOSIS_FILE, '--out') as folder:
        diagnosis, findings = diagnose(collected, source, folder, args.diagnosed_images, data, run)
    for line in summary(diagnosis, findings):
        print(line)
    print(f'the diagnosis is in {args.diagnosis}{_next(args)}')


def summary(diagnosis: Diagnosis, findings: Findings | None) -> list[str]:
    """Return the most important of a diagnosis as lines: numbers, errors, suspected labels, what to try next."""
    weights = 'averaged' if diagnosis.weights == 'ema' else 'raw'
    lines = [f'diagnosis of the {weights} weights on {counted(diagnosis.tested_images, "image")}']
    width = max([len(one.name) for one in diagnosis.headlines], default=0)
    for one in diagnosis.headlines:
        if one.value is None or one.value != one.value:
            continue
        bounds = '' if one.low is None or one.high is None else f'   {one.low:.1f} to {one.high:.1f}'
        lines.append(f'  {one.name:<{width}} {one.value:7.2f} {one.unit or " "}{bounds}')
    if findings is None:
        return [
            *lines,
            *(block.text for section in diagnosis.sections for block in section.blocks if block.kind == 'text'),
        ]
    facts = findings.facts
    costs = sorted(((cost, kind) for kind, cost in facts.error_costs.items() if cost > 0), reverse=True)
    if costs:
        lines.append('errors cost in AP50: ' + ', '.join(f'{kind} {cost:.1f}' for cost, kind in costs[:4]))
    if facts.confusions:
        noun = 'pixel' if facts.pixel_accuracy is not None else facts.unit.removesuffix('s')
        named = (f'{one.true} taken for {one.predicted} ({counted(one.times, noun)})' for one in facts.confusions[:3])
        lines.append('largest confusions: ' + ', '.join(named))
    listed = f' All are in {CSV_FILE}.' if findings.suspects else ''
    lines += [f'labels to check: {one.lead}{listed}' for one in diagnosis.sections if one.id == SUSPECTS and one.lead]
    lines += [f'{one.title.lower()}: {one.lead}' for one in diagnosis.sections if one.id in DATA_SECTIONS and one.lead]
    for number, step in enumerate(diagnosis.steps[:STEPS], 1):
        lines.append(f'{"to try next:" if number == 1 else "":<12} {number}. {step.advice} ({step.reason})')
    return [*map(one_line, lines)]


def _next(args: argparse.Namespace) -> str:
    """Return the command that shows the diagnosis, if it is where that one looks for it."""
    work_dir = find_work_dir(args.checkpoint)
    if work_dir is None or Path(args.diagnosis) != work_dir / DIAGNOSIS_FOLDER:
        return ''
    return f'; `{command_line(args, "report", work_dir)}` makes a page of it'
