"""Compare atto from FCMAE pre-training on drawn scenes with atto from random weights, where labels are few.

    python benchmarks/fcmae_transfer.py                        # all that is not in the JSON yet
    python benchmarks/fcmae_transfer.py --only segmentation    # a part of it
    python benchmarks/fcmae_transfer.py --scan                 # other learning rates, the same for both starts

Pre-training sees scenes without their labels. Each fine-tuning has the same command for both starts but for
``--pretrained``: the same labeled images in the same order, the same settings and steps, and the same initial weights
of what is on top of the backbone. That is checked after each pair. A seed stands for all that is drawn: which images
are labeled, their order and augmentation, and random weights. ``--scan`` is by a seed of its own, so that no setting
is chosen by the runs that are reported.

Results are merged into the JSON, a run at a time, so that it can be stopped. The pre-trained weights stay in
``--folder``; where they are missing, they are trained again.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from convnext_dense.analysis.environment import environment
from convnext_dense.checkpoints.files import find
from convnext_dense.cli import run_verb
from convnext_dense.config.saved import settings_of_run
from convnext_dense.engine.csv_log import read_scalars
from convnext_dense.errors import UserError
from convnext_dense.sample_data.create import SampleSize, ensure_sample
from convnext_dense.weights.reader import read_checkpoint

JSON = Path(__file__).with_suffix('.json')
NEVER = 10**6
"""Interval of checkpoints and validations, but for those at the end."""
STARTS = ('pretrained', 'random')
SEEDS = (1, 2, 3)
SCAN_SEED = 0
NO_WORKERS = tuple(f'{loader}_dataloader.num_workers=0' for loader in ('train', 'val'))
OF_RUN = ('pretrained', 'work_dir', 'randomness', 'command_line', 'provenance')
"""Settings of a run that differ between two runs that learn in the same way from other initial weights."""


class Pretraining(NamedTuple):
    """Scenes and settings of the pre-training."""

    scenes: int = 4000
    held_out: int = 100
    size: int = 128
    batch: int = 32
    lr: float = 2e-3
    epochs: int = 24
    validations: int = 8


class Setting(NamedTuple):
    """What is learned from few labels."""

    config: str
    labels: int  # of each class in classification, else images
    size: int  # side of the images or crops
    length: tuple[str, str]
    metric: str
    options: tuple[str, ...] = ()
    batch: int = 8


TASKS = {
    'classification': Setting('configs/classification/convnextv2_a.py', 10, 64, ('--epochs', '40'), 'top1'),
    'segmentation': Setting(
        'configs/seg/upernet_convnext_a_ade20k.py',
        20,
        128,
        ('--iters', '300'),
        'mIoU',
        ('model.backbone.version=2',),
    ),
}
SCANNED = {
    'classification': (2.5e-4, 5e-4, 1e-3, 2e-3),
    'segmentation': (2.5e-4, 5e-4, 1e-3, 2e-3),
}
"""Learning rates of ``--scan``."""
PROBED = (10, 100)
"""Labeled images of each class of the probes."""
DECAYS = (0.9, 1.0)
"""Rates of layer-wise decay of ``--scan``."""


def pretrain(folder: Path, setting: Pretraining) -> dict[str, Any]:
    """Pre-train on scenes without labels into ``folder/pretrained``, and return the losses and what was done."""
    size = SampleSize(12, 12, setting.scenes, setting.held_out)
    scenes = ensure_sample(folder, size=size) / 'coco'
    work_dir = folder / 'pretrained'
    shutil.rmtree(work_dir, ignore_errors=True)
    argv = ['configs/pretrain/fcmae_convnextv2_a.py', '--data', str(scenes), '--epochs', str(setting.epochs)]
    argv += ['--image-size', *[str(setting.size)] * 2, '--work-dir', str(work_dir), '--cfg-options', *NO_WORKERS]
    argv += [f'train_dataloader.batch_size={setting.batch}', f'train_cfg.total_batch_size={setting.batch}']
    argv += [f'optim_wrapper.optimizer.lr={setting.lr:g}', 'default_hooks.checkpoint.best=None']
    argv += [f'train_cfg.val_interval={max(1, setting.epochs // setting.validations)}']
    started = time.perf_counter()
    train(argv)
    scalars = read_scalars(work_dir)
    losses = [loss for _, loss in scalars['train/loss']]
    return {
        **setting._asdict(),
        'steps': read_checkpoint(find(work_dir))['meta']['iter'],
        'first_loss': round(losses[0], 4),
        'last_loss': round(float(np.mean(losses[-5:])), 4),
        'held_out_loss': [[epoch, round(loss, 4)] for epoch, loss in scalars['val/raw/reconstruction_loss']],
        'weights': fingerprint(work_dir),
        'seconds': round(time.perf_counter() - started, 1),
    }


def fingerprint(source: Path) -> str:
    """Return a short hash of the backbone's weights in a run."""
    state = read_checkpoint(find(source))['state_dict']
    digest = hashlib.sha256()
    for name in sorted(name for name in state if name.startswith('backbone.')):
        digest.update(name.encode() + state[name].numpy().tobytes())
    return digest.hexdigest()[:16]


def labeled(task: str, setting: Setting, seed: int, folder: Path) -> tuple[str, list[str]]:
    """Choose labeled images of the drawn sample by a seed.

    Returns:
        The data as ``--data`` takes them, and options.
    """
    if task == 'segmentation':
        scenes = ensure_sample() / 'ade20k'
        count = len(list((scenes / 'images/training').iterdir()))
        chosen = sorted(np.random.default_rng(seed).permutation(count)[: setting.labels].tolist())
        return str(scenes), [f'train_dataloader.dataset.indices=[{",".join(map(str, chosen))}]']
    return str(few_portraits(setting.labels, seed, folder)), []


def few_portraits(per_class: int, seed: int, folder: Path) -> Path:
    """Copy some images of each class of the drawn sample, chosen by a seed, and all those for validation."""
    sample, root = ensure_sample() / 'classification', folder / 'labeled'
    rng = np.random.default_rng(seed)
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(sample / 'val', root / 'val')
    for of_class in sorted((sample / 'train').iterdir()):
        (root / 'train' / of_class.name).mkdir(parents=True)
        files = sorted(of_class.iterdir())
        for place in rng.permutation(len(files))[:per_class].tolist():
            shutil.copy(files[place], root / 'train' / of_class.name)
    return root


def fine_tune(
    task: str, setting: Setting, start: str, seed: int, folder: Path, options: Sequence[str] = ()
) -> dict[str, Any]:
    """Train from few labels, and return the result.

    Args:
        task: a key of :data:`TASKS`.
        setting: what is learned.
        start: ``'pretrained'`` for the weights of ``folder/pretrained``, or ``'random'``.
        seed: seed of the run and of the choice of labeled images.
        folder: where the pre-trained weights are. The run is written into ``folder/{task}_{start}``.
        options: further changes to the config.
    """
    work_dir = folder / f'{task}_{start}'
    shutil.rmtree(work_dir, ignore_errors=True)
    data, of_data = labeled(task, setting, seed, folder)
    argv = [setting.config, '--data', data, '--recipe', 'small', *setting.length, '--seed', str(seed)]
    argv += ['--image-size', *[str(setting.size)] * 2, '--batch', str(setting.batch), '--work-dir', str(work_dir)]
    argv += ['--pretrained', str(folder / 'pretrained') if start == 'pretrained' else 'none']
    argv += ['--cfg-options', *NO_WORKERS, f'train_cfg.val_interval={NEVER}', *setting.options, *of_data, *options]
    argv += [f'default_hooks.checkpoint.interval={NEVER}', 'default_hooks.checkpoint.best=None']
    started = time.perf_counter()
    train(argv)
    scalars = read_scalars(work_dir)
    return {
        'task': task,
        'start': start,
        'seed': seed,
        'options': list(options),
        'labels': setting.labels,
        'metric': setting.metric,
        'value': round(scalars[f'val/raw/{setting.metric}'][-1][1], 2),
        'loss': round(float(np.mean([loss for _, loss in scalars['train/loss'][-5:]])), 4),
        **budget(work_dir),
        'weights': fingerprint(folder / 'pretrained') if start == 'pretrained' else None,
        'seconds': round(time.perf_counter() - started, 1),
    }


def budget(work_dir: Path) -> dict[str, Any]:
    """Return steps and images of a run, and a hash of all its settings but the initial weights, seed and places."""
    settings = settings_of_run(work_dir)
    steps = read_checkpoint(find(work_dir))['meta']['iter']
    kept = {key: value for key, value in settings.items() if key not in OF_RUN}
    return {
        'steps': steps,
        'images': steps * settings['train_cfg']['total_batch_size'],
        'settings': hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()[:16],
    }


def check_pair(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Check that two runs of a seed differ in nothing but the initial weights.

    Raises:
        UserError: if they do.
    """
    for key in ('task', 'seed', 'options', 'labels', 'steps', 'images', 'settings'):
        if one[key] != other[key]:
            raise UserError(f'{one["task"]}, seed {one["seed"]}: {key} of both starts differ: run them again')


def probe(start: str, per_class: int, seed: int, folder: Path, size: int) -> dict[str, Any]:
    """Fit a linear layer to the features of frozen weights, find nearest neighbors by them, and return the result.

    Args:
        start: ``'pretrained'`` or ``'random'``.
        per_class: labeled images of each class.
        seed: seed of the choice of labeled images, and of random weights.
        folder: where the pre-trained weights are.
        size: side of the images.
    """
    work_dir = folder / 'probe'
    shutil.rmtree(work_dir, ignore_errors=True)
    started = time.perf_counter()
    data = few_portraits(per_class, seed, folder)
    argv = ['configs/classification/convnextv2_a.py', '--data', str(data), '--image-size', str(size), str(size)]
    argv += ['--work-dir', str(work_dir), '--amp', 'off', '--seed', str(seed)]
    argv += ['--pretrained', str(folder / 'pretrained') if start == 'pretrained' else 'none']
    quietly('probe', [*argv, '--cfg-options', *NO_WORKERS, f'randomness.seed={seed}'])
    (row,) = json.loads((work_dir / 'probe.json').read_text())['weights']
    return {
        'labels': per_class,
        'start': start,
        'seed': seed,
        'linear': round(row['metrics']['top1'], 2),
        'knn': {k: round(value, 2) for k, value in row['knn'].items()},
        'weights': fingerprint(folder / 'pretrained') if start == 'pretrained' else None,
        'seconds': round(time.perf_counter() - started, 1),
    }


def train(argv: list[str]) -> str:
    """Train in this process, without its output, which is returned."""
    return quietly('train', argv)


def quietly(verb: str, argv: list[str]) -> str:
    """Run a verb in this process and return its output; where it fails, end with it."""
    with tempfile.TemporaryFile('w+') as file:
        with contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
            code = run_verb(verb, argv)
        file.seek(0)
        said = file.read()
    if code:
        sys.exit(f'{verb} {" ".join(argv)}\n{said[-2000:]}')
    return said


class Store:
    """The JSON file of results, to which they are added one at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, Any]:
        """Return what is there already."""
        empty: dict[str, Any] = {'pretraining': None, 'probes': [], 'runs': []}
        return json.loads(self.path.read_text()) if self.path.exists() else empty

    def find(self, part: str, key: dict[str, Any]) -> dict[str, Any] | None:
        """Return the result of a part, ``'runs'`` or ``'probes'``, that has these values."""
        return next((one for one in self.read()[part] if key.items() <= one.items()), None)

    def add(self, part: str, result: dict[str, Any], key: Sequence[str] = ()) -> None:
        """Add a result in the place of that with the same values under ``key``; without, the part is the result."""
        content = self.read()
        if key:
            same = [all(one[name] == result[name] for name in key) for one in content[part]]
            kept = [one for one, is_same in zip(content[part], same, strict=True) if not is_same]
            content[part] = [*kept, result]
        else:
            content[part] = result
        content['environment'] = environment()
        self.path.write_text(json.dumps(content, indent=1) + '\n')


def ensure_pretrained(folder: Path, store: Store, setting: Pretraining) -> None:
    """Pre-train unless the weights that the results are of are in the folder; with others, the results are dropped."""
    content = store.read()
    known = content['pretraining']
    if known and (folder / 'pretrained').is_dir() and fingerprint(folder / 'pretrained') == known['weights']:
        return
    result = pretrain(folder, setting)
    print('pre-training', result['held_out_loss'], f'{result["seconds"]:.0f} s', flush=True)
    store.add('pretraining', result)
    if known and known['weights'] != result['weights']:
        for part in ('probes', 'runs'):
            kept = [one for one in content[part] if one['weights'] in (None, result['weights'])]
            store.add(part, kept)


def fine_tune_all(
    folder: Path, store: Store, tasks: dict[str, Setting], seeds: Sequence[int], options: Sequence[str] = ()
) -> None:
    """Fine-tune from both starts, what is not in the results yet, and check each pair."""
    for (task, setting), seed in ((one, seed) for one in tasks.items() for seed in seeds):
        pair = []
        for start in STARTS:
            key = {'task': task, 'start': start, 'seed': seed, 'options': list(options)}
            found = store.find('runs', key)
            if found is None:
                found = fine_tune(task, setting, start, seed, folder, options)
                print(*key.values(), setting.metric, found['value'], f'{found["seconds"]:.0f} s', flush=True)
                store.add('runs', found, tuple(key))
            pair.append(found)
        check_pair(*pair)


def probe_all(folder: Path, store: Store, numbers: Sequence[int], seeds: Sequence[int], size: int) -> None:
    """Probe the weights of both starts, what is not in the results yet."""
    for per_class in numbers:
        for seed in seeds:
            for start in STARTS:
                key = {'labels': per_class, 'start': start, 'seed': seed}
                if store.find('probes', key) is None:
                    found = probe(start, per_class, seed, folder, size)
                    print(*key.values(), found['linear'], found['knn'], f'{found["seconds"]:.0f} s', flush=True)
                    store.add('probes', found, tuple(key))


def scanned(tasks: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield tasks with the options of ``--scan``."""
    for task in tasks:
        for decay in DECAYS:
            for lr in SCANNED[task]:
                yield task, [f'optim_wrapper.optimizer.lr={lr:g}', f'optim_wrapper.paramwise_cfg.decay_rate={decay:g}']


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--only', choices=('probe', *TASKS), help='measure this alone')
    parser.add_argument('--scan', action='store_true', help='other learning rates and layer-wise decays')
    parser.add_argument('--folder', default='work_dirs/fcmae_transfer', help='folder of scenes and weights')
    parser.add_argument('--out', default=JSON, help=f'file of results (default: {JSON.name} beside the script)')
    args = parser.parse_args(argv)
    folder, store = Path(args.folder).resolve(), Store(Path(args.out))
    folder.mkdir(parents=True, exist_ok=True)
    ensure_pretrained(folder, store, Pretraining())
    tasks = {task: setting for task, setting in TASKS.items() if args.only in (None, task)}
    if args.scan:
        for task, options in scanned(list(tasks)):
            fine_tune_all(folder, store, {task: tasks[task]}, [SCAN_SEED], options)
        return
    if args.only in (None, 'probe'):
        probe_all(folder, store, PROBED, SEEDS, Pretraining().size)
    fine_tune_all(folder, store, tasks, SEEDS)


if __name__ == '__main__':
    main()
