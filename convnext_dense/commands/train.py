"""Train a model.

train CONFIG --data sample            on drawn pictures, minutes on a laptop
train CONFIG --data PATH              on your data
train CONFIG --resume                 go on from the newest checkpoint in the work dir
torchrun --nproc_per_node=8 tools/train.py CONFIG --launcher pytorch
"""

from __future__ import annotations

import argparse
import importlib.util
import os
from pathlib import Path

from mmengine.dist import is_main_process

from ..cli import add_run_arguments, add_trust_argument
from ..config import fit_to_machine, read_config, set_amp, set_length
from ..engine import COMMANDS, Runner
from ..engine import checkpoint as checkpoints
from ..errors import UserError
from ..models.fetch import locate
from ..models.reading import trust_pickle
from ..tasks import loaders

LAUNCHERS = {'none': (), 'pytorch': ('RANK', 'WORLD_SIZE', 'LOCAL_RANK'), 'slurm': ('SLURM_PROCID', 'SLURM_NTASKS')}
TRACKERS = {'wandb': 'WandbVisBackend', 'mlflow': 'MLflowVisBackend'}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    parser.add_argument('--work-dir', metavar='DIR', help='where everything is written (default: work_dirs/CONFIG)')
    parser.add_argument(
        '--pretrained',
        metavar='WEIGHTS',
        help='weights to start from: a path, a URL, timm:NAME, hf:REPO, an official name (convnext_tiny_1k_224), '
        "or 'none' (default: CONFIG's)",
    )
    parser.add_argument(
        '--pretrained-weights',
        choices=('raw', 'ema'),
        help='which of the weights in that checkpoint: as trained, or their moving average (default: raw)',
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='newest',
        metavar='CKPT',
        help='go on from a checkpoint (default: the newest in the work dir)',
    )
    add_trust_argument(parser)
    parser.add_argument('--amp', choices=('off', 'fp16', 'bf16'), help="mixed precision (default: the config's)")
    parser.add_argument('--seed', type=int, metavar='N', help="random seed (default: the config's, 0)")
    parser.add_argument('--epochs', type=int, metavar='N', help='length of the run; warm-up and decay follow')
    parser.add_argument('--iters', type=int, metavar='N', help='the same for configs that count optimizer steps')
    parser.add_argument(
        '--launcher',
        choices=('none', 'pytorch', 'slurm'),
        default='none',
        help='how the processes were started: alone, by torchrun, by srun (default: none)',
    )
    parser.add_argument(
        '--track',
        nargs='+',
        choices=sorted(TRACKERS),
        default=[],
        help='also log to Weights & Biases or MLflow',
    )


def run(args: argparse.Namespace) -> None:
    _check(args)
    cfg = read_config(args.config, args.cfg_options, args.data)
    set_amp(cfg, args.amp)
    set_length(cfg, args.epochs, args.iters)
    if args.seed is not None:
        cfg.randomness.seed = args.seed
    if args.pretrained is not None:
        cfg.pretrained = None if args.pretrained == 'none' else args.pretrained
    if args.pretrained_weights is not None:
        cfg.pretrained_weights = args.pretrained_weights
    name = Path(args.config).stem + ('_sample' if args.data == 'sample' else '')
    cfg.work_dir = args.work_dir or cfg.get('work_dir') or f'work_dirs/{name}'
    if args.resume is None and (earlier := checkpoints.found(cfg.work_dir)):
        raise UserError(
            f'work dir {cfg.work_dir} holds a run already ({earlier[-1][1].name}): '
            'go on with --resume, or choose another with --work-dir'
        )
    if args.resume is not None:
        cfg.resume = True
        cfg.load_from = str(checkpoints.newest(cfg.work_dir)) if args.resume == 'newest' else args.resume
    if args.trust_pickle:
        source = cfg.get('load_from') or cfg.get('pretrained')
        if source is None:
            raise UserError('--trust-pickle is for the file of --pretrained or --resume: name one')
        trust_pickle(locate(source))
    for loader in loaders(cfg):
        loader.dataset.on_bad_image = args.on_bad_image
    cfg.visualizer.vis_backends += [dict(type=TRACKERS[name]) for name in args.track]
    cfg.launcher = args.launcher
    os.environ.setdefault('LOCAL_RANK', '0')
    fit_to_machine(cfg)
    runner = Runner.from_cfg(cfg)
    if is_main_process():
        with open(Path(cfg.work_dir, COMMANDS), 'a') as file:
            file.write(args.command_line + '\n')
    runner.train()
    runner.logger.info(f'done: checkpoints and logs are in {cfg.work_dir}')


def _check(args: argparse.Namespace) -> None:
    """What can be wrong with the arguments alone."""
    absent = [name for name in LAUNCHERS[args.launcher] if name not in os.environ]
    if absent:
        start = {
            'pytorch': 'torchrun --nproc_per_node=N tools/train.py ...',
            'slurm': 'srun python tools/train.py ...',
        }
        raise UserError(
            f'--launcher {args.launcher} needs {absent[0]} in the environment: start with {start[args.launcher]}'
        )
    if args.seed is not None and not 0 <= args.seed < 2**31:
        raise UserError(f'--seed {args.seed} is out of range: take 0 to {2**31 - 1}')
    if args.resume is not None and args.pretrained not in (None, 'none'):
        raise UserError('--resume brings its own weights: leave out --pretrained')
    for name in args.track:
        if importlib.util.find_spec(name) is None:
            raise UserError(f'--track {name} needs the package {name}: pip install -r requirements/optional.txt')
