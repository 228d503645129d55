"""Train a model.

train CONFIG --data sample            on drawn images, minutes on a laptop
train CONFIG --data PATH              on your data
train CONFIG --resume                 go on from the newest checkpoint in the work dir
train CONFIG --resume auto            the same, or start where there is none
train CONFIG --without mixup cutmix   leave out techniques of the recipe, for an ablation
torchrun --nproc_per_node=8 tools/train.py CONFIG --launcher pytorch
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shlex
import sys
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import is_main_process

from ...checkpoints import files as checkpoints
from ...checkpoints.disk import explain_full_disk
from ...config.length import set_length
from ...config.machine import fit_to_machine
from ...config.precision import set_amp
from ...config.read import read_config
from ...config.techniques import TECHNIQUES, in_words
from ...data.check import PROBLEM
from ...engine import COMMANDS, DataCheck, Runner, propagate_failures
from ...errors import Stopped, UserError
from ...tasks.tasks import loaders
from ..arguments import add_compile_argument, add_run_arguments, add_trust_argument
from .check_data import check_and_print

LAUNCHERS = {'none': (), 'pytorch': ('RANK', 'WORLD_SIZE', 'LOCAL_RANK'), 'slurm': ('SLURM_PROCID', 'SLURM_NTASKS')}
NEWEST, AUTO = object(), 'auto'  # what --resume may be, beside a path
TRACKERS = {'wandb': 'WandbVisBackend', 'mlflow': 'MLflowVisBackend'}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    parser.add_argument(
        '--check-data',
        action='store_true',
        help='first decode and check all data, as tools/check_data.py does; in one process',
    )
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
        const=NEWEST,
        metavar='auto|CKPT',
        help="go on from a checkpoint (default: the newest in the work dir); 'auto' starts where there is none",
    )
    add_trust_argument(parser)
    parser.add_argument('--amp', choices=('off', 'fp16', 'bf16'), help="mixed precision (default: the config's)")
    add_compile_argument(parser)
    parser.add_argument('--seed', type=int, metavar='N', help="random seed (default: the config's, 0)")
    parser.add_argument('--epochs', type=int, metavar='N', help='length of the run; warm-up and decay follow')
    parser.add_argument('--iters', type=int, metavar='N', help='the same for configs that count optimizer steps')
    parser.add_argument(
        '--skip-nan',
        type=int,
        metavar='N',
        help='leave out up to N steps whose loss or gradient is NaN or infinite (default: the first ends the run)',
    )
    parser.add_argument(
        '--without',
        nargs='+',
        default=[],
        metavar='TECHNIQUE',
        help=f'classification: leave out some of {", ".join(TECHNIQUES)}',
    )
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
    cfg = read_config(args.config, args.cfg_options, args.data, without=args.without)
    set_amp(cfg, args.amp)
    set_length(cfg, args.epochs, args.iters)
    if args.seed is not None:
        cfg.randomness.seed = args.seed
    if args.skip_nan is not None:
        cfg.train_cfg.skip_nan = args.skip_nan
    if args.pretrained is not None:
        cfg.pretrained = None if args.pretrained == 'none' else args.pretrained
    if args.pretrained_weights is not None:
        cfg.pretrained_weights = args.pretrained_weights
    name = '_'.join([Path(args.config).stem, *(['without', *args.without] if args.without else [])])
    name += '_sample' if args.data == 'sample' else ''
    cfg.work_dir = args.work_dir or cfg.get('work_dir') or f'work_dirs/{name}'
    earlier = checkpoints.list_checkpoints(cfg.work_dir)
    if args.resume is None and earlier:
        raise UserError(
            f'work dir {cfg.work_dir} holds a run already ({earlier[-1].name}): '
            'go on with --resume, or choose another with --work-dir'
        )
    if args.resume is NEWEST and not earlier:
        raise UserError(
            f'no checkpoint (epoch_N.pth) in {cfg.work_dir}: check the path, or start with --resume auto or without'
        )
    if args.resume is not None:
        cfg.resume = AUTO if args.resume == AUTO else True
        cfg.load_from = None if args.resume in (NEWEST, AUTO) else args.resume
    if args.trust_pickle:
        searched = args.resume in (NEWEST, AUTO) and earlier
        source = checkpoints.find_newest(cfg.work_dir) if searched else cfg.get('load_from') or cfg.get('pretrained')
        if source is None:
            raise UserError('--trust-pickle is for the file of --pretrained or --resume: name one')
        cfg.trust_pickle = True
    for loader in loaders(cfg):
        loader.dataset.on_bad_image = args.on_bad_image
    cfg.visualizer.vis_backends += [dict(type=TRACKERS[name]) for name in args.track]
    cfg.launcher = args.launcher
    if args.compile:
        cfg.compile_backbone = True
    os.environ.setdefault('LOCAL_RANK', '0')
    if args.check_data:
        _check_data(cfg, args.config, args.on_bad_image == 'skip')
    fit_to_machine(cfg)
    with propagate_failures():
        runner = Runner.from_cfg(cfg)
        runner.register_hook(DataCheck())
        if args.without:
            runner.logger.info(in_words(args.without))
        if is_main_process():
            with explain_full_disk(cfg.work_dir), open(Path(cfg.work_dir, COMMANDS), 'a') as file:
                file.write(args.command_line + '\n')
        try:
            runner.train()
        except Stopped:
            if is_main_process():
                print(f'go on with: {resume_command(args)}', file=sys.stderr)
            raise
        runner.logger.info(f'done: checkpoints and logs are in {cfg.work_dir}')


def resume_command(args: argparse.Namespace) -> str:
    """The command line that goes on with the run."""
    once = argparse.ArgumentParser(add_help=False)
    once.add_argument('--resume', nargs='?')
    once.add_argument('--pretrained')
    _, kept = once.parse_known_args(shlex.split(args.command_line))
    kept[1 if kept[0] == 'python' else 0] = sys.argv[0]  # the script, by the path that it was started with
    command = shlex.join([*kept, '--resume'])
    processes = os.environ.get('LOCAL_WORLD_SIZE', '1')
    if args.launcher == 'slurm':
        return f'srun {command}'
    if args.launcher == 'none':
        return command
    if processes != os.environ['WORLD_SIZE']:
        return f'the same torchrun command on every node, with: {command}'
    return f'torchrun --nproc_per_node={processes} {command.removeprefix("python ")}'


def _check_data(cfg: Config, name: str, skip: bool) -> None:
    problems = [f for f in check_and_print(cfg, name, skip=skip).findings if f.level == PROBLEM]
    if problems:
        many = f'{len(problems)} problems' if len(problems) > 1 else '1 problem'
        raise UserError(f'the data have {many}, named above: fix them, or train without --check-data')


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
    processes = int(os.environ[LAUNCHERS[args.launcher][1]]) if args.launcher != 'none' else 1
    if args.check_data and processes > 1:
        raise UserError(
            '--check-data is for a run of one process: check with tools/check_data.py first, then train without it'
        )
    if args.seed is not None and not 0 <= args.seed < 2**31:
        raise UserError(f'--seed {args.seed} is out of range: take 0 to {2**31 - 1}')
    if args.skip_nan is not None and args.skip_nan < 0:
        raise UserError(f'--skip-nan {args.skip_nan}: skip 0 steps or more')
    if args.resume not in (None, AUTO) and args.pretrained not in (None, 'none'):
        raise UserError('--resume brings its own weights: leave out --pretrained, or take --resume auto')
    for name in args.track:
        if importlib.util.find_spec(name) is None:
            raise UserError(f'--track {name} needs the package {name}: pip install -r requirements/optional.txt')
