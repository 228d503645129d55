"""Test a checkpoint."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ...analysis import METRICS_FILE
from ...analysis.coco_predictions import WriteCocoPredictions
from ...analysis.collect import CollectImages
from ...analysis.show import ShowPredictions
from ...config.find import find_work_dir
from ...errors import UserError
from ...evaluation.metric_names import format_metric, split_metric_names
from ...tasks import Task
from ..arguments import command_line
from ..commercial import check_commercial
from ..prepared_test import PreparedTest, has_ground_truth
from ..terminal import one_line
from .diagnose import write_diagnosis


def run(args: argparse.Namespace) -> None:
    check_commercial(args, [args.checkpoint])
    prepared = PreparedTest(args)
    cfg, task, data = prepared.cfg, prepared.task, prepared.data
    if args.out_predictions:
        _check_writes_predictions(task)
    if args.out_predictions or args.diagnose:
        prepared.allow_no_annotations()
    if args.diagnose:
        prepared.keep_for_diagnosis()
    with prepared.runner() as runner:
        if not has_ground_truth(runner):
            print(f'{data} has no annotations: nothing is measured')
            args.out = args.out if args.out_given else None
            args.show_dir = args.show_dir if args.show_dir_given else None
        if args.out:
            _check_same_data(Path(args.out), data, args.checkpoint)
        if args.out_predictions:
            runner.register_hook(WriteCocoPredictions(task, args.out_predictions))
        if args.show_dir:
            runner.register_hook(ShowPredictions(task, args.show_dir, args.show))
        collect = CollectImages(task, args.diagnosed_images) if args.diagnose else None
        if collect is not None:
            runner.register_hook(collect)
        metrics = runner.test()
    per_class = runner.test_loop.per_class
    for kind, of_class in per_class.items():
        print(_per_class_table(kind, of_class))
    print(_table(metrics))
    if args.out:
        content = {
            'command': args.command_line,
            'config': args.config,
            'checkpoint': cfg.load_from,
            'data': data,
            'metrics': metrics,
            'per_class': per_class,
        }
        content = _without_nan(content)
        Path(args.out).write_text(json.dumps(content, indent=2) + '\n')
        whose = f', measured on {data},' if args.data and not args.out_given else ''
        print(f'these numbers{whose} are in {args.out}{_next_step(args)}')
    if collect is not None:
        write_diagnosis(args, prepared, collect.collected)


def _check_writes_predictions(task: Task) -> None:
    """Raise a UserError if the model does not predict what can be in a COCO results file."""
    if not task.writes_coco:
        raise UserError(
            f'--out-predictions writes detections and panoptic segmentations, and this is a model for {task.name}: '
            'demo writes its predictions for a folder of images'
        )


def _check_same_data(out: Path, data: str, checkpoint: str) -> None:
    """Refuse to write over the numbers that a run has on other data.

    Raises:
        UserError: if ``out`` is the run's own file of metrics, and those are on other data.
    """
    work_dir = find_work_dir(checkpoint)
    if work_dir is None or out != work_dir / METRICS_FILE or not out.is_file():
        return
    try:
        earlier = json.loads(out.read_text()).get('data', data)
    except (OSError, ValueError, AttributeError):
        return
    if earlier != data:
        raise UserError(
            f'{out} has the metrics on {earlier}, and this test is on {data}: '
            'keep both with --out FILE.json --show-dir DIR'
        )


def _next_step(args: argparse.Namespace) -> str:
    """The command that shows the results, if they are where it looks for them."""
    work_dir = find_work_dir(args.checkpoint)
    if work_dir is None or Path(args.out) != work_dir / METRICS_FILE:
        return ''
    return f'; `{command_line(args, "report", work_dir)}` makes a page of curves, numbers and images'


def _without_nan(value: Any) -> Any:
    """Replace NaN, such as the IoU of a class without pixels, by None: JSON has no NaN."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and value != value else value


def _per_class_table(kind: str, per_class: dict[str, dict[str, float]]) -> str:
    """A table with a row for each class and a column for each metric."""
    names = list(dict.fromkeys(name for values in per_class.values() for name in values))
    per_class = {one_line(name): values for name, values in per_class.items()}
    width = max([10, *map(len, per_class)]) + 2
    lines = [f'{kind + " weights":<{width}}' + ''.join(f' {name:>11}' for name in names)]
    for label, values in per_class.items():
        numbers = (values.get(name, float('nan')) for name in names)
        lines.append(f'{label:<{width}}' + ''.join(f' {"-" if v != v else f"{v:.2f}":>11}' for v in numbers))
    return '\n'.join([*lines, ''])


def _table(metrics: dict[str, float]) -> str:
    """A table with a row for each metric and a column for raw and averaged weights."""
    kinds, names = split_metric_names(metrics)
    width = max([17, *map(len, names)])
    lines = [f'{"":<{width}} ' + ''.join(f'{kind:>10}' for kind in kinds)]
    for name in names:
        values = (metrics.get(f'{kind}/{name}') for kind in kinds)
        shown = (format_metric(name, v) if isinstance(v, float) else str(v) for v in values)
        lines.append(f'{name:<{width}} ' + ''.join(f'{text:>10}' for text in shown))
    return '\n'.join(lines)
