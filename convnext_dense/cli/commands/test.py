"""Test a checkpoint."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ...analysis import METRICS_FILE
from ...analysis.coco_predictions import WriteCocoPredictions
from ...analysis.show import ShowPredictions
from ...checkpoints import files as checkpoints
from ...config.compare import warning_of_differences
from ...config.find import find_work_dir
from ...config.machine import fit_to_machine
from ...config.preprocessing import Chosen, Told, follow_weights
from ...config.read import read_config
from ...data.class_choice import as_choice
from ...data.foreign import innermost
from ...data.trained_on import describe_split, describe_trained_on
from ...engine import Runner
from ...engine.environment import warn_of_load
from ...engine.hooks.data_check import describe_dataset, log_remarks
from ...errors import UserError
from ...evaluation.metric_names import split_metric_names
from ...tasks import TrainedClasses, check_same_task, innermost_datasets, keep_split, own_datasets, place_of, task_of
from ...tasks.bands import describe_bands
from ...tasks.datasets import takes
from ...tasks.pipelines import tta_pipeline
from ...tasks.tiles import describe_tiles
from ...weights.extraction import dataset_meta, extract_weights, learned_masks, trained_bands
from ...weights.reader import read_checkpoint
from ..arguments import command_line, image_arguments, normalization_arguments, reading_arguments
from ..band_arguments import band_arguments
from ..commercial import check_commercial
from ..tile_arguments import tile_options


def run(args: argparse.Namespace) -> None:
    check_commercial(args, [args.checkpoint])
    checkpoint = checkpoints.find(args.checkpoint)
    content = read_checkpoint(checkpoint, args.trust_pickle)
    tiles = tile_options(args)
    cfg = read_config(
        args.config,
        args.cfg_options,
        args.data,
        saved=args.saved,
        reads='test',
        classes=_trained_classes(content),
        boxes_only=learned_masks(content) is False,
        **reading_arguments(args),
        **image_arguments(args),
        bands=band_arguments(args)['bands']._replace(trained=trained_bands(content)),
        tiles=tiles,
    )
    work_dir_of_run = find_work_dir(args.checkpoint)
    if work_dir_of_run is not None:
        keep_split(cfg, work_dir_of_run)
    kept = next((one.subset.get('file') for one in own_datasets(cfg) if one.get('subset')), None)
    weights = extract_weights(content, checkpoint)
    check_same_task(weights, task_of(cfg))
    chosen = Chosen(**normalization_arguments(args), options=args.cfg_options, image_size=args.image_size)
    normalization = follow_weights(cfg, Told.by(weights), chosen, evaluates=True)
    del content, weights  # the runner reads it again, when the data are there
    if args.out_predictions:
        _want_predictions(cfg)
    changed = [*chosen.changed_keys(cfg), *tiles.changed_keys]
    warning = warning_of_differences(cfg, args.config, args.checkpoint, changed, args.tta)
    if warning is not None:
        print(f'warning: {warning}', file=sys.stderr)
    cfg.load_from = str(checkpoint)
    cfg.trust_pickle = args.trust_pickle
    cfg.resume = False
    cfg.test_cfg.weights = args.weights
    for dataset in own_datasets(cfg):
        dataset.on_bad_image = args.on_bad_image
    if args.compile:
        cfg.compile_backbone = True
    if args.tta:
        _use_tta(cfg, args.config)
    data = place_of(cfg.test_dataloader.dataset)
    fit_to_machine(cfg)
    with tempfile.TemporaryDirectory() as work_dir:  # its log is not kept
        cfg.work_dir = work_dir
        cfg.visualizer.vis_backends = []
        runner = Runner.from_cfg(cfg)
        warn_of_load(runner, args.load_meter.read())
        dataset = runner.test_dataloader.dataset
        runner.logger.info(f'test: {describe_dataset(dataset)}')
        tiled = describe_tiles(cfg, tiles, args.image_size)
        for said in filter(None, (task_of(cfg).describe_masks(cfg), describe_bands(cfg), normalization, tiled)):
            runner.logger.info(said)
        log_remarks(runner, dataset)
        if line := describe_split(dataset, kept is not None):
            runner.logger.info(line)
        if line := describe_trained_on(dataset, work_dir_of_run):
            runner.logger.warning(line)
        if not any(getattr(part, 'has_ground_truth', True) for part in innermost(dataset)):
            print(f'{data} has no annotations: nothing is measured')
            args.out = args.out if args.out_given else None
            args.show_dir = args.show_dir if args.show_dir_given else None
        if args.out:
            _check_same_data(Path(args.out), data, args.checkpoint)
        if args.out_predictions:
            runner.register_hook(WriteCocoPredictions(task_of(cfg), args.out_predictions))
        if args.show_dir:
            runner.register_hook(ShowPredictions(task_of(cfg), args.show_dir, args.show))
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


def _trained_classes(content: Mapping[str, Any]) -> TrainedClasses | None:
    """The classes of a checkpoint, or None if it does not name them."""
    meta = dataset_meta(content)
    if 'classes' not in meta:
        return None
    zero = meta.get('reduce_zero_label')
    zero = zero if isinstance(zero, bool) else None
    stuff = meta.get('stuff_classes')
    stuff = len(stuff) if isinstance(stuff, list | tuple) else None
    return TrainedClasses(meta['classes'], meta.get('category_ids'), zero, as_choice(meta.get('choice')), stuff)


def _want_predictions(cfg: Config) -> None:
    """Have the test set's images need no annotations.

    Raises:
        UserError: if the model does not predict detections.
    """
    task = task_of(cfg)
    if not task.writes_coco:
        raise UserError(
            f'--out-predictions writes detections and panoptic segmentations, and this is a model for {task.name}: '
            'demo writes its predictions for a folder of images'
        )
    for dataset in innermost_datasets(cfg.test_dataloader.dataset):
        if takes(dataset, 'needs_annotations'):
            dataset.needs_annotations = False


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


def _use_tta(cfg: Config, config: str) -> None:
    if cfg.get('tta_model') is None:
        raise UserError(f'--tta can not be used with {config}: {task_of(cfg).views_obstacle}: leave it out')
    cfg.model = dict(cfg.tta_model, module=cfg.model)
    for dataset in innermost_datasets(cfg.test_dataloader.dataset):
        dataset.pipeline = tta_pipeline(cfg, dataset)


def _without_nan(value: Any) -> Any:
    """Replace NaN, such as the IoU of a class without pixels, by None: JSON has no NaN."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and value != value else value


def _per_class_table(kind: str, per_class: dict[str, dict[str, float]]) -> str:
    """A table with a row for each class and a column for each metric."""
    names = list(dict.fromkeys(name for values in per_class.values() for name in values))
    width = max([10, *map(len, per_class)]) + 2
    lines = [f'{kind + " weights":<{width}}' + ''.join(f' {name:>11}' for name in names)]
    for label, values in per_class.items():
        numbers = (values.get(name, float('nan')) for name in names)
        lines.append(f'{label:<{width}}' + ''.join(f' {"-" if v != v else f"{v:.2f}":>11}' for v in numbers))
    return '\n'.join([*lines, ''])


def _table(metrics: dict[str, float]) -> str:
    """A table with a row for each metric and a column for raw and averaged weights."""
    kinds, names = split_metric_names(metrics)
    lines = [f'{"":<18}' + ''.join(f'{kind:>10}' for kind in kinds)]
    for name in names:
        values = (metrics.get(f'{kind}/{name}') for kind in kinds)
        lines.append(f'{name:<17} ' + ''.join(f'{v:>10.2f}' if isinstance(v, float) else f'{v!s:>10}' for v in values))
    return '\n'.join(lines)
