"""Train atto on a few images of the drawn sample by the paper's settings and with ``--recipe small``, and compare.

    python benchmarks/small_recipe.py                                       # all that is not in the JSON yet
    python benchmarks/small_recipe.py --task classification --images 60     # a part of it
    python benchmarks/small_recipe.py --task classification --images 200 --scan   # what the constants are from

Both see as many images: the budget is passes over the images, whatever the batch is. The paper's settings are those of
the config, with the batch of one process cut to the number of images where that is smaller. The numbers are of all
images for validation, by the weights as trained.

Classification is told apart on five classes; weights are from a run on the other seven (``--start pretrained``) or
random (``--start random``). Detectors and segmentors start from a backbone of that run: its classes are not theirs.
Results are merged into the JSON, a run at a time, so that it can be stopped.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from convnext_dense.analysis.environment import environment
from convnext_dense.cli import run_verb
from convnext_dense.engine.csv_log import read_scalars
from convnext_dense.sample_data.create import ensure_sample

JSON = Path(__file__).with_suffix('.json')
LEARNED = 'balloon,car,kite,mushroom,tree'
OTHERS = 'bird,boat,fish,flower,house,ring,umbrella'
NEVER = 10**6
"""Interval of checkpoints and validations, but for those at the end."""
RECIPES, STARTS = ('paper', 'small'), ('pretrained', 'random')
COUNTS = (60, 200, 1000)


class Setting(NamedTuple):
    """What is trained of a task."""

    config: str
    folder: str  # of the sample
    size: tuple[int, int]  # of the images
    metric: str
    passes: dict[int, int]  # over all images together, by the number of images
    starts: tuple[str, ...]
    seeds: int
    options: tuple[str, ...]


TASKS = {
    'classification': Setting(
        'configs/classification/convnext_a.py',
        'classification',
        (48, 48),
        'top1',
        {60: 3000, 200: 5000, 1000: 6000},
        STARTS,
        2,
        ('val_dataloader.batch_size=100',),
    ),
    'segmentation': Setting(
        'configs/seg/upernet_convnext_a_ade20k.py',
        'ade20k',
        (128, 128),
        'mIoU',
        {60: 3840, 200: 6400},
        ('pretrained',),
        2,
        ('train_dataloader.batch_size=8', 'val_dataloader.dataset.indices=60'),
    ),
    'detection': Setting(
        'configs/det/faster_rcnn_convnext_a_coco.py',
        'coco',
        (96, 160),
        'box_AP50',
        {200: 1200},
        ('pretrained',),
        1,
        ('train_dataloader.batch_size=4', 'val_dataloader.dataset.indices=60'),
    ),
}
FACTORS = {f'lr x {factor:g}': factor for factor in (1, 4, 10)}
"""Factors on the lr of the config, scaled to the batch, of the runs of ``--scan`` in segmentation and detection."""
SCANNED = {
    **{f'batch {batch}, lr {lr:g}': (batch, lr, True) for batch in (8, 16, 32) for lr in (2.5e-4, 5e-4, 1e-3, 2e-3)},
    'batch 16, lr 0.001, the augmentation of the paper': (16, 1e-3, False),
}
"""Batch, lr, and whether the augmentation is the milder one, of the runs of ``--scan``, beside ``--recipe small``."""


def weights(folder: Path) -> Path:
    """Train the classifier on the other classes, once in a folder, and return its checkpoint."""
    work_dir = folder / 'others'
    if not (work_dir / 'epoch_2.pth').exists():
        argv = ['configs/classification/convnext_a.py', '--data', 'sample', '--classes', OTHERS, '--epochs', '2']
        _train([*argv, '--work-dir', str(work_dir), '--cfg-options', *_loaders()])
    return work_dir / 'epoch_2.pth'


def measure(
    task: str, images: int, recipe: str, start: str, seed: int, folder: Path, scan: str = ''
) -> dict[str, Any]:
    """Train once, and return the result.

    Args:
        task: a key of :data:`TASKS`.
        images: number of training images.
        recipe: ``'paper'`` or ``'small'``.
        start: ``'pretrained'`` or ``'random'``.
        seed: seed of the run.
        folder: folder for runs, which are deleted.
        scan: a key of :data:`SCANNED` or :data:`FACTORS`, of which the values are set; empty for the recipe's own.
    """
    setting, passes = TASKS[task], TASKS[task].passes[images]
    work_dir = folder / 'run'
    shutil.rmtree(work_dir, ignore_errors=True)
    by_steps = task == 'segmentation'
    options = [*setting.options, *_loaders(), f'train_cfg.val_interval={NEVER}']
    options += [f'default_hooks.checkpoint.interval={NEVER}', 'default_hooks.checkpoint.best=None']
    argv = [setting.config, '--data', str(ensure_sample() / setting.folder), '--seed', str(seed), '--recipe', recipe]
    argv += ['--image-size', *map(str, setting.size), '--work-dir', str(work_dir)]
    argv += ['--pretrained', str(weights(folder)) if start == 'pretrained' else 'none']
    if task == 'classification':
        argv += ['--classes', LEARNED]
        options.append(f'train_dataloader.dataset.per_class={images // (LEARNED.count(",") + 1)}')
        if recipe == 'paper':
            options.append(f'train_dataloader.batch_size={min(128, images)}')
        if start == 'random':
            options.append('model.backbone.layer_scale_init_value=1.0')  # 1e-6 does not grow enough in so few steps
    else:
        options.append(f'train_dataloader.dataset.indices={images}')
    if scan in FACTORS:
        scaled = 1e-4 * (1.0 if images >= 128 else 0.5**0.5)
        options.append(f'optim_wrapper.optimizer.lr={scaled * FACTORS[scan]:.2g}')
    elif scan:
        batch, lr, mild = SCANNED[scan]
        options += [f'train_dataloader.batch_size={batch}', f'train_cfg.total_batch_size={batch}']
        options.append(f'optim_wrapper.optimizer.lr={lr}')
        if not mild:
            options += ['model.mixup.prob=1.0', 'train_dataloader.dataset.transform.scale=(0.08,1.0)']
            options.append('train_dataloader.dataset.transform.auto_augment=rand-m9-mstd0.5-inc1')
    batch = 16 if recipe == 'paper' else min(16, 8 if images < 128 else 16)
    argv += ['--iters', str(passes // batch)] if by_steps else ['--epochs', str(passes // images)]
    started = time.perf_counter()
    said = _train([*argv, '--cfg-options', *options])
    scalars = read_scalars(work_dir)
    metrics = {
        name: _last(scalars[f'val/{name}/{setting.metric}']) for name in ('raw', 'ema') if _has(scalars, name, setting)
    }
    shutil.rmtree(work_dir)
    lines = [line.partition('INFO - ')[2] for line in said.splitlines() if 'recipe small for' in line]
    return {
        'task': task,
        'images': images,
        'recipe': recipe,
        'start': start,
        'seed': seed,
        'scan': scan,
        'passes': passes,
        'metric': setting.metric,
        'values': metrics,
        'seconds': round(time.perf_counter() - started, 1),
        'said': lines[0] if lines else '',
    }


def runs(args: argparse.Namespace) -> Iterator[tuple[str, int, str, str, int, str]]:
    """Yield the arguments of :func:`measure` of the runs that the command line names."""
    for task, setting in TASKS.items():
        if args.task not in (None, task):
            continue
        for images in setting.passes:
            if args.images not in (None, images):
                continue
            for start in setting.starts:
                if args.start not in (None, start):
                    continue
                for seed in range(1 if args.scan else setting.seeds):
                    scanned = [('small', one) for one in (SCANNED if task == 'classification' else FACTORS)]
                    for recipe, scan in scanned if args.scan else [(recipe, '') for recipe in RECIPES]:
                        yield task, images, recipe, start, seed, scan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--task', choices=TASKS)
    parser.add_argument('--images', type=int, choices=COUNTS)
    parser.add_argument('--start', choices=STARTS)
    parser.add_argument('--scan', action='store_true', help='batches and lrs beside those of the recipe')
    parser.add_argument('--again', action='store_true', help='measure also what is in the JSON already')
    parser.add_argument('--folder', help='keep the run on the other classes there')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(args.folder or temporary).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        for run in runs(args):
            content = json.loads(JSON.read_text()) if JSON.exists() else {'runs': []}
            key = dict(zip(('task', 'images', 'recipe', 'start', 'seed', 'scan'), run, strict=True))
            same = [one for one in content['runs'] if key.items() <= one.items()]
            if same and not args.again:
                continue
            task, images, recipe, start, seed, scan = run
            result = measure(task, images, recipe, start, seed, folder, scan)
            print(*run, result['values'], f'{result["seconds"]:.0f} s', flush=True)
            content = json.loads(JSON.read_text()) if JSON.exists() else {'runs': []}  # others may measure as well
            kept = [one for one in content['runs'] if not key.items() <= one.items()]
            JSON.write_text(json.dumps({'environment': environment(), 'runs': [*kept, result]}, indent=1) + '\n')


def _train(argv: list[str]) -> str:
    """Train in this process, without its output, which is returned."""
    with tempfile.TemporaryFile('w+') as file:
        with contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
            code = run_verb('train', argv)
        file.seek(0)
        said = file.read()
    if code:
        sys.exit(f'{" ".join(argv)}\n{said[-2000:]}')
    return said


def _loaders() -> list[str]:
    return [f'{loader}_dataloader.num_workers=0' for loader in ('train', 'val')]


def _has(scalars: dict[str, Any], name: str, setting: Setting) -> bool:
    return f'val/{name}/{setting.metric}' in scalars


def _last(values: Any) -> float:
    last = list(values.values() if isinstance(values, dict) else values)[-1]
    return round(float(last[-1] if isinstance(last, tuple | list) else last), 2)


if __name__ == '__main__':
    main()
