"""Train a model."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from mmengine.config import Config
from mmengine.dist import get_world_size, is_main_process

from ...adaptation.own_run import find_own_run, timm_weights_for
from ...checkpoints import files as checkpoints
from ...checkpoints.disk import explain_full_disk
from ...checkpoints.origins import initial_checkpoints
from ...config.balance import keep_balance, set_balance
from ...config.batch import check_batch_once, find_batch, keep_batch_of_run, set_batch
from ...config.feature_probe import check_probe, keep_probe, set_probe
from ...config.find import find_work_dir
from ...config.freezing import check_frozen, freeze
from ...config.kept_lr import LR, describe_kept_lr
from ...config.length import keep_ended_length, planned_length, set_length
from ...config.machine import fit_to_machine
from ...config.patience import HOOK as PATIENCE
from ...config.patience import keep_patience, set_patience
from ...config.precision import set_amp
from ...config.preprocessing import NOTHING, Chosen, follow_run, follow_weights, told_by_file, told_by_run
from ...config.read import read_config
from ...config.recipe import SMALL, Given, apply_small_recipe, keep_length, keep_settings, recipe_to_keep
from ...config.resumed import check_copy_paste, check_resumed
from ...config.saved import arguments_of_run, setting_of_run, settings_of_run
from ...config.techniques import describe_without
from ...data.check import PROBLEM
from ...data.splits import SplitRule
from ...data.subset import FILE_NAME as SPLIT_FILE
from ...engine import DataCheck, Runner, propagate_failures
from ...engine.dry_run import check_first_step
from ...engine.environment import init_processes, warn_of_load
from ...engine.total_batch import describe_batch_norms
from ...errors import Stopped, UserError
from ...sample_data.names import SAMPLES
from ...tasks import keep_split, own_datasets, place_of, task_of
from ...tasks.bands import describe_bands
from ...tasks.tiles import RunTiles, describe_tiles, tiles_of_run
from ..arguments import (
    check_checkpoint,
    command_line,
    image_arguments,
    is_module,
    normalization_arguments,
    reading_arguments,
)
from ..band_arguments import band_arguments
from ..commercial import check_commercial
from ..out_of_memory import explained_memory
from ..parsers.train import AUTO, BY_TASK, NEWEST, TRACKERS, processes_of
from ..split_arguments import split_rule
from ..tile_arguments import tile_options
from .check_data import check_and_print


class Prepared(NamedTuple):
    """A config that is ready for the runner, and what is to be said of it."""

    cfg: Config
    said: list[str]
    moved: str | None
    """A warning if the data of a resumed run are elsewhere."""
    continued: str | Path | None
    """Work dir of the run that is resumed."""


def prepare(args: argparse.Namespace) -> Prepared:
    """Read the config of a run and change it as the arguments of ``train`` say.

    Raises:
        UserError: if they can't be followed.
    """
    if args.lr is not None:
        if LR in args.cfg_options:
            raise UserError(f'--lr {args.lr:g} and --cfg-options {LR}={args.cfg_options[LR]} differ: leave out one')
        args.cfg_options[LR] = args.lr
    kept_split = _keep_split_rule(args)
    options = dict(reads='train', **reading_arguments(args), **image_arguments(args), **band_arguments(args))
    options['copy_paste'] = args.copy_paste
    options['tiles'] = tiles = tile_options(args)._replace(of_run=partial(_tiles_of_run, args))
    check = partial(_check_start, args)
    cfg = read_config(args.config, args.cfg_options, args.data, without=args.without, before_data=check, **options)
    task = task_of(cfg)
    said = [describe_without(args.without)] if args.without else []
    said.append(kept_split)
    set_amp(cfg, args.amp)
    if args.freeze is not None:
        freeze(cfg, args.freeze, args.cfg_options or ())
    if args.balance is not None:
        set_balance(cfg, None if args.balance == BY_TASK else args.balance, args.cfg_options or ())
    if args.patience is not None:
        said.append(set_patience(cfg, args.patience, args.cfg_options or {}) or '')
    if args.probe is not None:
        set_probe(cfg, args.probe, args.cfg_options or {})
    cfg.work_dir = _work_dir(args, cfg)
    resumed = cfg.work_dir if args.resume in (None, NEWEST, AUTO) else args.resume
    if args.resume is not None and setting_of_run(resumed, 'boxes_only'):
        task.leave_out_masks(cfg, as_trained=True)
    sizes = task.describe_sizes(cfg)
    tiled = describe_tiles(cfg, tiles, options['image_size'])
    said += [line for line in (tiled, f'image sizes: {sizes}' if sizes else '', task.describe_masks(cfg)) if line]
    goes_on = args.resume not in (None, NEWEST, AUTO) or (args.resume and checkpoints.list_checkpoints(cfg.work_dir))
    saved = settings_of_run(resumed) if goes_on or args.resume == NEWEST else {}
    check_copy_paste(saved, args.copy_paste)
    recipe = recipe_to_keep(args.recipe, saved, cfg)
    if recipe is not None:
        keep_length(cfg, recipe)
    changes = args.resume is not None and (args.epochs, args.iters) != (None, None)
    stays = (args.epochs, args.iters, args.patience) == (None, None, None) and PATIENCE not in cfg.default_hooks
    if not (args.resume in (NEWEST, AUTO) and stays and keep_ended_length(cfg, cfg.work_dir)):
        set_length(cfg, args.epochs, args.iters, planned_length(resumed) if changes else None)
    cfg.may_change_length = changes
    if args.seed is not None:
        cfg.randomness.seed = args.seed
    if args.skip_nan is not None:
        cfg.train_cfg.skip_nan = args.skip_nan
    if args.pretrained is not None:
        cfg.pretrained = None if args.pretrained == 'none' else args.pretrained
    if args.lora is not None:
        if 'lora.rank' in (args.cfg_options or {}):
            raise UserError(f'--lora {args.lora} and --cfg-options lora.rank=... both set the rank: leave out one')
        cfg.lora = {**(cfg.get('lora') or {}), 'rank': args.lora}
    if args.pretrained_weights is not None:
        cfg.pretrained_weights = args.pretrained_weights
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
    resumes = args.resume in (NEWEST, AUTO) and earlier
    named = args.resume is not None and not resumes and args.resume not in (NEWEST, AUTO)
    continued = cfg.work_dir if resumes else find_work_dir(args.resume) if named else None
    keep_split(cfg, continued)
    if (resumes or named) and any(one.get('subset') and not one.subset.get('file') for one in own_datasets(cfg)):
        where = continued or f'the folder of {args.resume}'
        said.append(f'there is no {SPLIT_FILE} in {where}: the images are split anew, which must give the same parts')
    if continued is not None:
        said.append((args.patience is None and keep_patience(cfg, continued)) or '')
        said.append((args.probe is None and keep_probe(cfg, continued)) or '')
        said.append((args.balance is None and keep_balance(cfg, continued)) or '')
    moved = check_resumed(cfg, continued) if continued is not None else None
    if recipe is not None:
        said.append(keep_settings(cfg, recipe, given_by(args)))
    elif args.recipe == SMALL and not saved:
        processes = processes_of(args)
        said += apply_small_recipe(cfg, given_by(args), processes)
        total = cfg.train_cfg.total_batch_size
        if isinstance(args.batch, int) and args.batch * processes > total:
            raise UserError(
                f'--batch {args.batch} is more than the total batch of --recipe small, {total}: take a smaller one, '
                'or another total with --cfg-options train_cfg.total_batch_size=N'
            )
    if args.trust_pickle:
        source = checkpoints.find_newest(cfg.work_dir) if resumes else cfg.get('load_from') or cfg.get('pretrained')
        if source is None:
            raise UserError('--trust-pickle is for the file of --pretrained or --resume: name one')
        cfg.trust_pickle = True
    if args.commercial:
        check_commercial(args, _sources(cfg, bool(resumes)))
    chosen = Chosen(**normalization_arguments(args), options=args.cfg_options, image_size=args.image_size)
    if resumes or named:
        checkpoint = earlier[-1] if resumes else args.resume
        said.append(follow_run(cfg, told_by_run(continued or '', checkpoint, args.trust_pickle), chosen))
    else:
        start, kind = cfg.get('load_from') or cfg.get('pretrained'), cfg.get('pretrained_weights', 'raw')
        if start is None:
            parts = (cfg.model.get('init_cfg'), (cfg.model.get('backbone') or {}).get('init_cfg'))
            start, kind = next(initial_checkpoints(parts), None), 'raw'
        told = told_by_file(start, kind, args.trust_pickle) if start else NOTHING
        said.append(follow_weights(cfg, told, chosen))
    said.append(describe_bands(cfg))
    for dataset in own_datasets(cfg):
        dataset.on_bad_image = args.on_bad_image
    cfg.visualizer.vis_backends += [dict(type=TRACKERS[name]) for name in args.track]
    if cfg.get('launcher', 'none') not in ('none', args.launcher):
        print(
            f"warning: the config's launcher {cfg.launcher} is not used: --launcher {args.launcher} is",
            file=sys.stderr,
        )
    cfg.launcher = args.launcher
    if args.compile:
        cfg.compile_backbone = True
    os.environ.setdefault('LOCAL_RANK', '0')
    if args.check_data:
        _check_data(cfg, args.config, args.on_bad_image == 'skip')
    task.check_trainable(cfg)
    fit_to_machine(cfg)
    return Prepared(cfg, said, moved, continued)


def run(args: argparse.Namespace) -> None:
    cfg, said, moved, continued = prepare(args)
    task = task_of(cfg)
    memory = explained_memory(args, args.flags, cfg, partial(_describe_going_on, args, cfg))
    with propagate_failures(), memory, with_batch(args, cfg, continued, said), Runner.from_cfg(cfg) as runner:
        if args.freeze is not None:
            check_frozen(runner.bare_model, cfg, args.freeze)
        check_first_step(runner.bare_model, cfg, task)
        warn_of_load(runner, args.load_meter.read())
        runner.register_hook(DataCheck(task.training_side(cfg), task.takes_squares, task.seen(cfg)))
        if cfg.val_dataloader is None:
            runner.logger.warning(
                f'there are no validation data beside {place_of(cfg.train_dataloader.dataset)}: '
                'this run measures nothing, and keeps its last checkpoints, but no best.pth; '
                '--val-split 0.2 holds out a fifth of the images'
            )
        batch, planned = cfg.train_dataloader.batch_size, cfg.train_cfg.get('planned_batch_size')
        said.append(describe_batch_norms(runner.bare_model, batch, planned))
        kept = describe_kept_lr(cfg, args.config, args.cfg_options, args.data, args.without, get_world_size())
        for line in filter(None, (kept, moved)):
            runner.logger.warning(line)
        for line in filter(None, said):
            runner.logger.info(line)
        if is_main_process():
            with explain_full_disk(cfg.work_dir), open(Path(cfg.work_dir, checkpoints.COMMANDS), 'a') as file:
                file.write(args.command_line + '\n')
        try:
            runner.train()
        except Stopped:
            if is_main_process():
                print(f'continue with: {resume_command(args)}', file=sys.stderr)
            raise
        except (AttributeError, KeyError) as error:
            explained = task.explain_training_error(error, cfg)
            if explained is None:
                raise
            raise UserError(explained) from error
        testable = cfg.val_dataloader is not None and checkpoints.list_checkpoints(cfg.work_dir)
        tested = ''
        if testable and is_main_process():
            tested = f'; `{command_line(args, "test", *arguments_of_run(cfg.work_dir))}` tests it'
        runner.logger.info(f'done: checkpoints and logs are in {cfg.work_dir}{tested}')


def _describe_going_on(args: argparse.Namespace, cfg: Config) -> str:
    """Tell what a run that failed can be continued from, and how."""
    saved = checkpoints.list_checkpoints(cfg.work_dir)
    if not saved:
        return 'the run has no checkpoint yet: start it again'
    return f'nothing up to {saved[-1].name} is lost, continue there with: {resume_command(args)}'


@contextmanager
def with_batch(args: argparse.Namespace, cfg: Config, continued: object, said: list[str]) -> Iterator[None]:
    """Context of a run with the batch that ``--batch`` asks for; the line about it is added to ``said``."""
    check_batch_once(args.batch, args.cfg_options)
    if args.batch == AUTO and continued is not None:
        said.append(keep_batch_of_run(cfg, str(continued)))
    elif args.batch == AUTO:
        init_processes(cfg)
        found = find_batch(cfg)
        set_batch(cfg, found.batch)
        said.append(found.line)
    elif args.batch is not None:
        set_batch(cfg, args.batch)
    yield


def _check_start(args: argparse.Namespace, cfg: Config) -> None:
    """Check that the weights exist that a new run starts from by its config, and its probe, before any data are read.

    Raises:
        UserError: if they do not, or the config takes no ``--probe``.
    """
    if args.probe is not None:
        check_probe(cfg, args.probe)
    source = cfg.get('load_from') or cfg.get('pretrained')
    if source is None or args.resume is not None or (args.pretrained is not None and not cfg.get('load_from')):
        return
    try:
        check_checkpoint(source)
    except UserError as error:
        own, weights = find_own_run(source), timm_weights_for(source)
        if own is None:
            raise UserError(f'the config starts from weights that do not exist: {error}') from error
        others = f'--pretrained {weights} or none' if weights else '--pretrained'
        command = command_line(args, 'train', own, '--data', 'PATH')
        raise UserError(
            f'the config starts from {source}, which does not exist: make it first with `{command}`, or take other '
            f'weights with {others}'
        ) from error


def given_by(args: argparse.Namespace) -> Given:
    """Return what the command line sets, which a recipe leaves alone."""
    options = args.cfg_options or {}
    flags = {'--epochs': args.epochs, '--iters': args.iters}
    length = next((flag for flag, value in flags.items() if value is not None), '')
    if not length and args.data in SAMPLES:
        length = f'as for --data {args.data}'
    return Given(tuple(options), length)


def _sources(cfg: Config, resumes: bool) -> list[str]:
    """Return the sources of all weights that a run starts from; ``resumes`` is True for that of its work dir."""
    if resumes or cfg.get('load_from'):
        return [str(checkpoints.find_newest(cfg.work_dir)) if resumes else cfg.load_from]
    return [*filter(None, [cfg.get('pretrained')]), *initial_checkpoints(cfg.model)]


def resume_command(args: argparse.Namespace) -> str:
    """Return the command line that resumes the run."""
    once = argparse.ArgumentParser(add_help=False)
    once.add_argument('--resume', nargs='?')
    once.add_argument('--pretrained')
    _, kept = once.parse_known_args(shlex.split(args.command_line))
    if kept[0] != 'python' and is_module():
        kept[:1] = ['python', '-m', 'convnext_dense']
    elif kept[0] != 'python':
        kept[0] = sys.argv[0]  # the path as it was started
    elif Path(sys.argv[0]).stem == 'train':
        kept[1] = sys.argv[0]
    else:  # in another program, such as a notebook
        kept[:2] = ['convnext-dense', 'train']
    command = shlex.join([*kept, '--resume'])
    processes = os.environ.get('LOCAL_WORLD_SIZE', '1')
    if args.launcher == 'slurm':
        return f'srun {command}'
    if args.launcher == 'none':
        return command
    if processes != os.environ['WORLD_SIZE']:
        return f'the same torchrun command on every node, with: {command}'
    return f'torchrun --nproc_per_node={processes} {command.removeprefix("python ")}'


def _work_dir(args: argparse.Namespace, cfg: Config) -> str:
    return args.work_dir or cfg.get('work_dir') or default_work_dir(args)


def default_work_dir(args: argparse.Namespace) -> str:
    """Return the work dir of a run without ``--work-dir``, by its config, data and techniques."""
    name = '_'.join([Path(args.config).stem, *(['without', *args.without] if args.without else [])])
    name += f'_{args.data.replace("-", "_")}' if args.data in SAMPLES else ''
    return f'work_dirs/{name}'


def _tiles_of_run(args: argparse.Namespace, cfg: Config) -> RunTiles | None:
    """Return the tiles of the run that is resumed, which may not exist."""
    if args.resume is None:
        return None
    run = args.resume
    if run in (NEWEST, AUTO):
        run = args.work_dir or (args.cfg_options or {}).get('work_dir') or _work_dir(args, cfg)
        if not checkpoints.list_checkpoints(run):
            return None
    saved = settings_of_run(run)
    return None if saved.get('tiles') is None else tiles_of_run(Config(saved))


def _keep_split_rule(args: argparse.Namespace) -> str:
    """Have a run that is resumed without flags for it split its data as it did; returns a line that says so."""
    if args.resume is None or args.data is None or split_rule(args) is not None:
        return ''
    run = args.resume
    if run in (NEWEST, AUTO):
        run = args.work_dir or (args.cfg_options or {}).get('work_dir') or _work_dir(args, Config())
    saved = Config(settings_of_run(run))
    parts = own_datasets(saved) if saved.get('train_dataloader') else ()
    rule = next((SplitRule.of_setting(one.subset) for one in parts if one.get('subset')), None)
    if rule is None:
        return ''
    args.val_split, args.folds, args.fold, args.split_group, args.split_seed = rule
    args.replace_val = True
    return f'{rule.flags} is kept, by which the run split its data'


def _check_data(cfg: Config, name: str, skip: bool) -> None:
    problems = [f for f in check_and_print(cfg, name, skip=skip).findings if f.level == PROBLEM]
    if problems:
        many = f'{len(problems)} problems' if len(problems) > 1 else '1 problem'
        raise UserError(f'the data have {many}, named above: fix them, or train without --check-data')
