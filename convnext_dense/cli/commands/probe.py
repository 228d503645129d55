"""Measure frozen weights by a linear classifier on their features."""

from __future__ import annotations

import argparse
import copy
import json
import re
import shlex
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.config import Config
from torch import nn
from torch.utils.data import ConcatDataset

from ...checkpoints import files as checkpoints
from ...checkpoints import lock
from ...checkpoints.content import to_cpu
from ...checkpoints.origins import origin_of
from ...config.machine import fit_to_machine
from ...config.precision import set_amp
from ...config.preprocessing import NOTHING, Chosen, follow_weights, told_by_file
from ...config.read import read_config
from ...data.foreign import classes_of
from ...data.subset import write_split
from ...engine.building import build_model, class_shapes
from ...engine.hooks.data_check import describe_dataset
from ...engine.linear_probe import Features, Measured, cached_features, measure
from ...engine.state import model_meta
from ...errors import UserError
from ...io.files import atomic_write
from ...io.new_folder import NewFolder
from ...probe.features import check_finite
from ...probe.linear import STRENGTHS
from ...registry import DATASETS
from ...tasks import own_datasets, place_of, task_of
from ...weights.licenses import Origin
from ...weights.loading import load_pretrained
from ..arguments import command_line, image_arguments, normalization_arguments, reading_arguments
from ..commercial import check_commercial

RESULTS, FEATURES = 'probe.json', 'features'
"""The file of results and the folder of features in the work dir."""
NONE = 'none'
PRECISIONS = {'float16': torch.float16, 'bfloat16': torch.bfloat16}


class Row(NamedTuple):
    """The results of some weights."""

    source: str
    measured: Measured
    folder: Path

    @property
    def values(self) -> dict[str, str]:
        """The cells of the row in the table, by column."""
        accuracy = {name: f'{value:.2f}' for name, value in self.measured.metrics.items() if name != 'images'}
        neighbors = {f'{k}-NN': f'{value:.2f}' for k, value in self.measured.knn.items()}
        return {**accuracy, **neighbors, 'L2': f'{self.measured.strength:g}'}


def run(args: argparse.Namespace) -> None:
    plain = read_config(args.config, args.cfg_options, needs_data=False)
    task_of(plain).probed_datasets(plain)  # refuses a config of another task before its data are looked for
    cfg = read_config(
        args.config, args.cfg_options, args.data, reads='train', **reading_arguments(args), **image_arguments(args)
    )
    if cfg.val_dataloader is None:
        raise UserError(
            f'there are no validation data beside {place_of(cfg.train_dataloader.dataset)} to measure on: '
            'hold out a fifth of the images with --val-split 0.2'
        )
    task_of(cfg).check_trainable(cfg)
    loaders = ('train_dataloader', 'val_dataloader')
    task_of(cfg).value_range(cfg, loaders), task_of(cfg).opening(cfg, loaders)  # the same for all
    cfg.pop('lora', None)  # nothing of the backbone is trained
    set_amp(cfg, args.amp)
    fit_to_machine(cfg)
    if args.pretrained_weights is not None:
        cfg.pretrained_weights = args.pretrained_weights
    sources = list(dict.fromkeys(args.pretrained or [cfg.get('pretrained')]))
    if sources == [None]:
        raise UserError('the config names no weights to measure: name some with --pretrained')
    check_commercial(args, [source for source in sources if source != NONE])
    name = f'{Path(args.config).stem}_probe' + ('_sample' if args.data == 'sample' else '')
    work_dir = Path(args.work_dir or f'work_dirs/{name}')
    checkpoints.refuse_training_run(work_dir)
    with NewFolder(work_dir, results='**/*.pth'), ExitStack() as stack:
        held = lock.acquire(work_dir)
        stack.callback(held.release)
        rows = _probe_all(args, cfg, sources, work_dir)
    print(_table(rows))
    best = rows[0]
    where = 'the others are in folders there' if len(rows) > 1 else 'its config is beside it'
    print(
        f'{work_dir / checkpoints.PROBE} has {"the best of these, " if len(rows) > 1 else ""}{best.source} with its '
        f'fitted head; {where}; {work_dir / RESULTS} has these numbers'
    )
    print(
        f'`{command_line(args, "test", work_dir)}` tests it; '
        f'`{command_line(args, "train", *_kept_arguments(args), "--pretrained", work_dir)}` trains the whole network '
        'from there on'
    )


def _kept_arguments(args: argparse.Namespace) -> list[str]:
    """Return the arguments of this command that are for training as well: config, data and images."""
    own = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for flag, count in (('--pretrained', '+'), ('--l2', '+'), ('--pretrained-weights', None), ('--work-dir', None)):
        own.add_argument(flag, nargs=count)
    for flag in ('--trust-pickle', '--balanced'):
        own.add_argument(flag, action='store_true')
    return own.parse_known_args(shlex.split(args.command_line)[2:])[1]


def _probe_all(args: argparse.Namespace, cfg: Config, sources: Sequence[str], work_dir: Path) -> list[Row]:
    """Measure all weights, and write results and checkpoints; returns the rows from the best to the worst."""
    for dataset in own_datasets(cfg):
        dataset.on_bad_image = args.on_bad_image
    train, val = ([DATASETS.build(one) for one in part] for part in task_of(cfg).probed_datasets(cfg))
    for split, parts in (('train', train), ('val', val)):
        print(f'{split}: {describe_dataset(parts[0] if len(parts) == 1 else ConcatDataset(parts))}')
    if kept := next((part.kept_split for part in train if part.kept_split), None):
        print(kept.line)
    classes = classes_of(train[0])
    if len(sources) > 1:
        for source in sources:  # before anything is computed that another one would make useless
            _build(cfg, source, classes, args.trust_pickle)
    earlier = _earlier_config(work_dir)
    rows: list[Row] = []
    for source, label in zip(sources, _labels(sources), strict=True):
        own = copy.deepcopy(cfg)
        own.pretrained, own.load_from, own.resume = None if source == NONE else source, None, False
        model, line = _build(own, source, classes, args.trust_pickle)
        print(line)
        print(_follow(own, args))
        folder = work_dir / label if len(sources) > 1 else work_dir
        transform = task_of(own).probed_datasets(own)[1][0].transform
        prepared = [dataset.prepared_by(transform) for dataset in train]
        tested = [dataset.prepared_by(transform) for dataset in val]
        measured, features = _probe(args, own, model, prepared, tested, work_dir / FEATURES)
        row = Row(source, measured, folder)
        rows.append(row)
        rows.sort(key=lambda row: -row.measured.metrics['top1'])
        for place in dict.fromkeys([folder, *([work_dir] if rows[0] is row else [])]):
            place.mkdir(exist_ok=True)
            _remove_config(place, earlier)
            if kept:
                write_split(place, kept)
            origin = origin_of(own.pretrained, args.trust_pickle) if own.pretrained else None
            _write_checkpoint(own, model, train[0], place, origin)
        _write_results(args, cfg, rows, work_dir, classes, features)
    return rows


def _follow(cfg: Config, args: argparse.Namespace) -> str:
    """Prepare images as the config's weights were made for, as training does, and return a line on it."""
    chosen = Chosen(**normalization_arguments(args), options=args.cfg_options, image_size=args.image_size)
    kind = cfg.get('pretrained_weights') or 'raw'
    return follow_weights(
        cfg, told_by_file(cfg.pretrained, kind, args.trust_pickle) if cfg.pretrained else NOTHING, chosen
    )


def _build(cfg: Config, source: str, classes: Sequence[str] | None, trust: bool) -> tuple[nn.Module, str]:
    """Build the model with its pretrained backbone, and return it with a line on what was loaded."""
    torch.manual_seed(cfg.randomness.get('seed') or 0)  # of weights that stay random
    model: Any = build_model(cfg)
    if not isinstance(getattr(model, 'head', None), nn.Linear) or not hasattr(model, 'backbone'):
        raise UserError(
            f'the linear probe fits the linear head on a backbone, and {cfg.model.type} has none: take a config of '
            'convnext_dense.ImageClassifier'
        )
    line = f'{NONE}: random weights'
    if source != NONE:
        shapes = partial(class_shapes, cfg, channel_per_class=True)
        weights = cfg.get('pretrained_weights') or 'raw'
        line = load_pretrained(model, checkpoints.find(source), weights, classes, trust, shapes)
    check_finite(model.backbone, source)
    return model.eval().to('cuda' if torch.cuda.is_available() else 'cpu'), line


def _probe(
    args: argparse.Namespace, cfg: Config, model: Any, train: Sequence[Any], val: Sequence[Any], folder: Path
) -> tuple[Measured, tuple[Features, Features]]:
    """Compute the features that are not kept yet, and fit the head of a model to them."""
    features = []
    for parts, precision, split in ((train, _precision(cfg), 'training'), (val, None, 'validation')):
        own = cached_features(model, parts, cfg.val_dataloader, folder, precision, f'features for {split}')
        for path in own.skipped:
            print(f'warning: skipped bad image {path}', file=sys.stderr)
        if not len(own.labels):
            raise UserError(f'no image for {split} can be read: check the data')
        skipped = f', {len(own.skipped):,} skipped' if own.skipped else ''
        before = len(own.labels) - own.computed
        print(f'features for {split}: {own.computed:,} computed, {max(0, before):,} kept from before{skipped}')
        features.append(own)
    seed = args.seed if args.seed is not None else cfg.randomness.get('seed') or 0
    measured = measure(model, features[0], features[1], args.l2 or STRENGTHS, args.balanced, seed)
    if not measured.converged:
        print('warning: the linear layer has not converged: take a larger --l2', file=sys.stderr)
    if measured.tried:
        ends = {max: 'largest', min: 'smallest'}
        strengths = [one.strength for one in measured.tried]
        end = next((name for pick, name in ends.items() if measured.strength == pick(strengths)), None)
        held_out = max(one.top1 for one in measured.tried)
        print(
            f'L2 {measured.strength:g} is the best of {len(strengths)} strengths: top-1 {held_out:.2f} on held-out '
            'training images' + (f'; it is the {end} one: --l2 tries others' if end else '')
        )
    return measured, (features[0], features[1])


def _precision(cfg: Config) -> torch.dtype | None:
    wrapper = cfg.optim_wrapper
    if wrapper.type == 'AmpOptimWrapper':
        return PRECISIONS.get(wrapper.get('dtype'), torch.float16)
    return torch.bfloat16 if wrapper.type == 'convnext_dense.BF16OptimWrapper' else None


def _labels(sources: Sequence[str]) -> list[str]:
    """Return a name for the folder of each source."""
    names: list[str] = []
    for source in sources:
        path = Path(source)
        name = '_'.join([path.parent.name, path.stem] if path.suffix == '.pth' and path.parent.name else [path.name])
        name = re.sub(r'[^\w.-]+', '_', name).strip('._') or 'weights'
        name = f'{name}_weights' if name == FEATURES else name
        same = sum(other == name or other.startswith(f'{name}_') for other in names)
        names.append(f'{name}_{same + 1}' if name in names else name)
    return names


def _earlier_config(work_dir: Path) -> Path | None:
    """Return the config of the probe before in a work dir, or None if there was none."""
    try:
        return Path(json.loads((work_dir / RESULTS).read_text())['config'])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remove_config(folder: Path, earlier: Path | None) -> None:
    """Remove the config that the probe before saved in a folder, unless it is the user's own file."""
    if earlier is None:
        return
    saved = folder / earlier.name
    if saved.is_file() and saved.resolve() != earlier.resolve():
        saved.unlink()


def _write_checkpoint(cfg: Config, model: nn.Module, dataset: Any, folder: Path, origin: Origin | None) -> None:
    """Write the model and its config as a run does, so that all commands take the folder as that of a run."""
    cfg.work_dir = str(folder)
    cfg.dump(folder / Path(cfg.filename).name)
    meta = model_meta(model, dataset, cfg.pretty_text, task_of(cfg).preprocessing(cfg), origin)
    checkpoints.write({'meta': meta, 'state_dict': to_cpu(model.state_dict())}, folder / checkpoints.PROBE)


def _write_results(
    args: argparse.Namespace,
    cfg: Config,
    rows: Sequence[Row],
    work_dir: Path,
    classes: Sequence[str] | None,
    features: tuple[Features, Features],
) -> None:
    content = {
        'command': args.command_line,
        'config': args.config,
        'data': place_of(cfg.val_dataloader.dataset),
        'classes': classes,
        'images': dict(zip(('train', 'val'), (len(own.labels) for own in features), strict=True)),
        'weights': [
            {
                'source': row.source,
                'metrics': row.measured.metrics,
                'knn': row.measured.knn,
                'l2': row.measured.strength,
                'tried': [one._asdict() for one in row.measured.tried],
                'converged': row.measured.converged,
                'checkpoint': str(row.folder / checkpoints.PROBE),
            }
            for row in rows
        ],
    }
    with atomic_write(work_dir / RESULTS) as file:
        file.write_text(json.dumps(content, indent=1) + '\n')


def _table(rows: Sequence[Row]) -> str:
    """A table with a row for each weights and a column for each metric."""
    names = list(dict.fromkeys(name for row in rows for name in row.values))
    lines = [('weights', *names), *((row.source, *(row.values.get(name, '-') for name in names)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return '\n'.join(
        '  '.join(
            [source.ljust(widths[0]), *(cell.rjust(max(6, w)) for cell, w in zip(cells, widths[1:], strict=True))]
        )
        for source, *cells in lines
    )
