"""A checkpoint that is ready to be tested: its config and data by the arguments of ``test`` and ``diagnose``."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mmengine.config import Config

from ..checkpoints import files as checkpoints
from ..config.compare import warning_of_differences
from ..config.find import find_work_dir
from ..config.machine import fit_to_machine
from ..config.preprocessing import Chosen, Told, follow_weights
from ..config.read import read_config
from ..data.class_choice import as_choice
from ..data.foreign import innermost
from ..data.trained_on import describe_split, describe_trained_on
from ..engine import Runner
from ..engine.environment import warn_of_load
from ..engine.hooks.data_check import describe_dataset, log_remarks
from ..errors import UserError
from ..tasks import TrainedClasses, check_same_task, innermost_datasets, keep_split, own_datasets, place_of, task_of
from ..tasks.bands import describe_bands
from ..tasks.datasets import takes
from ..tasks.pipelines import tta_pipeline
from ..tasks.tiles import describe_tiles
from ..weights.extraction import dataset_meta, extract_weights, has_ema_weights, learned_masks, trained_bands
from ..weights.reader import read_checkpoint
from .arguments import image_arguments, normalization_arguments, reading_arguments
from .band_arguments import band_arguments
from .tile_arguments import tile_options


class PreparedTest:
    """The config of a test, by the arguments of :func:`~convnext_dense.cli.test_arguments.add_test_arguments`.

    Args:
        args: the arguments.

    Attributes:
        cfg: the config, of a model with the checkpoint's classes.
        task: its task.
        run: the work dir of the checkpoint's run; None if it is of none.
        data: where the tested images are.
        has_average: whether the checkpoint has averaged weights.

    Raises:
        UserError: if config, checkpoint and data don't fit each other.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args
        checkpoint = checkpoints.find(args.checkpoint)
        content = read_checkpoint(checkpoint, args.trust_pickle)
        self._tiles = tiles = tile_options(args)
        self._settings = {
            'saved': args.saved,
            'classes': _trained_classes(content),
            'boxes_only': learned_masks(content) is False,
            **reading_arguments(args),
            **image_arguments(args),
            'bands': band_arguments(args)['bands']._replace(trained=trained_bands(content)),
            'tiles': tiles,
        }
        self.cfg = cfg = read_config(args.config, args.cfg_options, args.data, reads='test', **self._settings)
        absent = [key for key in ('test_dataloader', 'test_cfg', 'test_evaluator') if cfg.get(key) is None]
        if absent:
            raise UserError(
                f'{args.config} has no {" and no ".join(absent)}, so that nothing can be tested: add what '
                'val_dataloader, val_cfg and val_evaluator have'
            )
        self.task = task_of(cfg)
        self.run = find_work_dir(args.checkpoint)
        if self.run is not None:
            keep_split(cfg, self.run)
        self._is_kept = any(one.get('subset') and one.subset.get('file') for one in own_datasets(cfg))
        self.has_average = has_ema_weights(content)
        weights = extract_weights(content, checkpoint)
        check_same_task(weights, self.task)
        chosen = Chosen(**normalization_arguments(args), options=args.cfg_options, image_size=args.image_size)
        self._normalization = follow_weights(cfg, Told.by(weights), chosen, evaluates=True)
        del content, weights  # the runner reads it again, when the data are there
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
        self.data = place_of(cfg.test_dataloader.dataset)

    def allow_no_annotations(self) -> None:
        """Have the test set's images need no annotations, where a task can do without."""
        for dataset in innermost_datasets(self.cfg.test_dataloader.dataset):
            if takes(dataset, 'needs_annotations'):
                dataset.needs_annotations = False

    def keep_for_diagnosis(self) -> None:
        """Have the model keep what a diagnosis takes beyond results."""
        self.task.keep_for_diagnosis(self.cfg)

    def training_config(self) -> Config:
        """Read the config again, with the training data that belong to the tested ones.

        Raises:
            UserError: if there are none.
        """
        args = self._args
        cfg = read_config(args.config, args.cfg_options, args.data, reads='train', **self._settings)
        if self.run is not None:
            keep_split(cfg, self.run)
        return cfg

    @contextmanager
    def runner(self) -> Iterator[Runner]:
        """Context with the runner of the test, whose log is not kept."""
        cfg, args = self.cfg, self._args
        fit_to_machine(cfg)
        with tempfile.TemporaryDirectory() as work_dir:
            cfg.work_dir = work_dir
            cfg.visualizer.vis_backends = []
            runner = Runner.from_cfg(cfg)
            warn_of_load(runner, args.load_meter.read())
            dataset = runner.test_dataloader.dataset
            runner.logger.info(f'test: {describe_dataset(dataset)}')
            tiled = describe_tiles(cfg, self._tiles, args.image_size)
            said = (self.task.describe_masks(cfg), describe_bands(cfg), self._normalization, tiled)
            for line in filter(None, said):
                runner.logger.info(line)
            log_remarks(runner, dataset)
            if split := describe_split(dataset, self._is_kept):
                runner.logger.info(split)
            if trained_on := describe_trained_on(dataset, self.run):
                runner.logger.warning(trained_on)
            yield runner


def has_ground_truth(runner: Runner) -> bool:
    """Tell whether any of the tested images has ground truth, as far as their data set tells."""
    return any(getattr(part, 'has_ground_truth', True) for part in innermost(runner.test_dataloader.dataset))


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


def _use_tta(cfg: Config, config: str) -> None:
    if cfg.get('tta_model') is None:
        raise UserError(f'--tta can not be used with {config}: {task_of(cfg).views_obstacle}: leave it out')
    cfg.model = dict(cfg.tta_model, module=cfg.model)
    for dataset in innermost_datasets(cfg.test_dataloader.dataset):
        dataset.pipeline = tta_pipeline(cfg, dataset)
