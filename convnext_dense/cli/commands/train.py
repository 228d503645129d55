"""Train a model."""

from __future__ import annotations

import argparse
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
from ...config.techniques import describe_without
from ...data.check import PROBLEM
from ...engine import COMMANDS, DataCheck, Runner, propagate_failures
from ...engine.environment import warn_of_load
from ...errors import Stopped, UserError
from ...tasks import loaders, task_of
from ..arguments import command_line, image_arguments
from ..parsers.train import AUTO, NEWEST, TRACKERS
from .check_data import check_and_print


def run(args: argparse.Namespace) -> None:
    cfg = read_config(args.config, args.cfg_options, args.data, without=args.without, **image_arguments(args))
    task = task_of(cfg)
    said = [describe_without(args.without)] if args.without else []
    sizes = task.describe_sizes(cfg)
    said += [f'image sizes: {sizes}'] if sizes else []
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
            'continue it with --resume, or choose another with --work-dir'
        )
    if args.resume == NEWEST and not earlier:
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
        warn_of_load(runner, args.load_meter.read())
        runner.register_hook(DataCheck(task.training_side(cfg), task.takes_squares))
        for line in said:
            runner.logger.info(line)
        if is_main_process():
            with explain_full_disk(cfg.work_dir), open(Path(cfg.work_dir, COMMANDS), 'a') as file:
                file.write(args.command_line + '\n')
        try:
            runner.train()
        except Stopped:
            if is_main_process():
                print(f'continue with: {resume_command(args)}', file=sys.stderr)
            raise
        following = command_line(args, 'test', cfg.work_dir)
        tested = f'; `{following}` tests it' if checkpoints.list_checkpoints(cfg.work_dir) else ''
        runner.logger.info(f'done: checkpoints and logs are in {cfg.work_dir}{tested}')


def resume_command(args: argparse.Namespace) -> str:
    """Return the command line that resumes the run."""
    once = argparse.ArgumentParser(add_help=False)
    once.add_argument('--resume', nargs='?')
    once.add_argument('--pretrained')
    _, kept = once.parse_known_args(shlex.split(args.command_line))
    kept[1 if kept[0] == 'python' else 0] = sys.argv[0]  # the script's path as it was started
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
