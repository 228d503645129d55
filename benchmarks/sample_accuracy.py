"""Train and test a config on the sample with the two tools, and save the result next to this file.

python benchmarks/sample_accuracy.py configs/classification/convnext_a.py --work-dir work_dirs/backbone
python benchmarks/sample_accuracy.py configs/det/cascade_convnext_a_coco.py
python benchmarks/sample_accuracy.py configs/det/dino_convnext_a_coco.py
python benchmarks/sample_accuracy.py configs/det/cascade_convnext_a_coco.py --pretrained work_dirs/backbone/epoch_3.pth
python benchmarks/sample_accuracy.py configs/seg/upernet_convnext_a_ade20k.py --data sample-large --tile 256

With --tile there are two runs, of the same number of optimizer steps and the same size of the network's input: on
tiles, and on whole images, shrunk to the size of a tile. Both are tested on whole images.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from convnext_dense.analysis.environment import environment
from convnext_dense.checkpoints.files import find
from convnext_dense.config.read import read_config
from convnext_dense.sample_data.names import SAMPLE, SAMPLES
from convnext_dense.weights.reader import read_checkpoint

ROOT = Path(__file__).parents[1]
NEVER = 10**6
"""Interval of checkpoints and validations, but for those at the end."""


def measure(args: argparse.Namespace, tile: int | None, extra: Sequence[str], work_dir: Path) -> dict[str, Any]:
    """Train and test; returns the result.

    Args:
        args: of the command line.
        tile: side of the tiles; None for whole images.
        extra: further arguments of training.
        work_dir: the folder of the run.
    """
    tiles = [] if tile is None else ['--tile', str(tile)]
    out = work_dir.with_name(f'{work_dir.name}_metrics.json')
    start = time.perf_counter()
    train = ['tools/train.py', args.config, '--data', args.data, '--work-dir', str(work_dir), *tiles, *extra]
    train += ['--pretrained', args.pretrained] if args.pretrained else []
    subprocess.run([sys.executable, *train], cwd=ROOT, check=True)
    seconds = time.perf_counter() - start
    test = ['tools/test.py', str(work_dir), '--data', args.data, '--out', str(out)]
    if args.data == SAMPLE:
        test.insert(1, args.config)
    subprocess.run([sys.executable, *test], cwd=ROOT, check=True)
    metrics = json.loads(out.read_text())['metrics']
    return {
        'config': args.config,
        'data': args.data,
        'tile': tile,
        'options': args.cfg_options,
        'steps': last_step(work_dir),
        'pretrained': args.pretrained is not None,
        'seconds': round(seconds, 1),
        'metrics': {name: round(value, 4) for name, value in metrics.items()},
        'environment': environment(),
    }


def last_step(work_dir: Path) -> int:
    """Return the number of optimizer steps of a run, from its last checkpoint: the log has a line for some of them."""
    return int(read_checkpoint(find(work_dir))['meta']['iter'])


def as_many_steps(args: argparse.Namespace, steps: int) -> list[str]:
    """Return the arguments with which training on whole images takes as many steps as on tiles."""
    from convnext_dense.data.formats.json_files import read_json
    from convnext_dense.sample_data.aerial.create import ensure_large_sample

    cfg = read_config(args.config, data=args.data, needs_data=False)
    if 'max_iters' in cfg.train_cfg:
        return ['--iters', str(steps)]
    root = ensure_large_sample(bands='band' in args.data)
    images = len(read_json(root / 'annotations' / 'instances_train2017.json')['images'])
    of_epoch = -(-images // cfg.train_cfg.total_batch_size)
    return ['--epochs', str(-(-steps // of_epoch))]


def save(result: dict[str, Any]) -> None:
    """Write a result beside this file; its name says what it is of."""
    folder, name = (
        Path(result['config']).parent.name,
        Path(result['config']).stem,
    )  # one name may be in several folders
    parts = ['sample', folder, name]
    parts += [result['data'].removeprefix('sample-').replace('-', '_')] if result['data'] != SAMPLE else []
    parts += [f'tile{result["tile"]}'] if result['tile'] else []
    parts += ['from_backbone'] if result['pretrained'] else []
    path = Path(__file__).with_name(f'{"_".join(parts)}.json')
    path.write_text(json.dumps(result, indent=2) + '\n')
    print(f'{path.name}: {result["metrics"]} after {result["steps"]} steps in {result["seconds"]:.0f} s')


def main(args: argparse.Namespace) -> None:
    subprocess.run([sys.executable, 'tools/sample.py', '--data', args.data], cwd=ROOT, check=True)
    options = ['--cfg-options', *args.cfg_options] if args.cfg_options else []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(args.work_dir or Path(temporary, 'run'))
        result = measure(args, args.tile, options, folder)
        save(result)
        if args.tile:
            rare = ['default_hooks.checkpoint.interval', 'train_cfg.val_interval']
            options = ['--cfg-options', *args.cfg_options, *(f'{key}={NEVER}' for key in rare)]
            extra = ['--image-size', str(args.tile), str(args.tile), *as_many_steps(args, result['steps']), *options]
            save(measure(args, None, extra, folder.with_name(f'{folder.name}_whole')))


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config')
    parser.add_argument('--data', choices=SAMPLES, default=SAMPLE)
    parser.add_argument('--tile', type=int, metavar='N', help='side of the tiles; also train on whole images')
    parser.add_argument('--pretrained', help='start from this checkpoint')
    parser.add_argument('--work-dir', help='keep the run there')
    parser.add_argument('--cfg-options', nargs='*', default=[], metavar='KEY=VALUE', help='changes to the config')
    main(parser.parse_args())
