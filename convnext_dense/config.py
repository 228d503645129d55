"""Reading a config, and what the command line changes in it."""

from __future__ import annotations

import copy
import difflib
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from mmengine.config import Config

from .errors import UserError
from .tasks import Task, loaders, set_classes, task_of
from .techniques import leave_out

NEEDED = (
    *('task', 'model', 'train_dataloader', 'val_dataloader', 'test_dataloader', 'train_cfg', 'test_cfg'),
    *('optim_wrapper', 'param_scheduler', 'randomness', 'visualizer'),
)
PACKAGE = Path(__file__).parent
# Keys that no config needs to have and a command line may still set.
RUNNER_KEYS = {
    *(
        'experiment_name',
        'find_unused_parameters',
        'sync_bn',
        'model_wrapper_cfg',
        'launcher',
        'compile_backbone',
    ),
    *('activation_checkpointing', 'efficient_conv_bn_eval', 'compile', 'work_dir', 'data_preprocessor'),
}


def find_config(path: str) -> Path:
    """The config file: as given, or among the configs that came with the package.

    Raises:
        UserError: if it does not exist, with the nearest names.
    """
    shipped = PACKAGE / 'configs' if (PACKAGE / 'configs').is_dir() else PACKAGE.parent / 'configs'
    for candidate in (Path(path), shipped / path.removeprefix('configs/')):
        if candidate.is_file():
            return candidate
    names = sorted(str(Path('configs', p.relative_to(shipped))) for p in shipped.glob('[!_]*/*.py'))
    near = difflib.get_close_matches(path, names, n=3, cutoff=0.5) or names[:5]
    raise UserError(f'no config at {path}: did you mean {" or ".join(near)}?')


def read_config(
    path: str,
    options: dict | None = None,
    data: str | None = None,
    needs_data: bool = True,
    without: Iterable[str] = (),
) -> Config:
    """Read a config, point it at the data, and apply ``--cfg-options`` last.

    Args:
        path: see :func:`find_config`.
        options: ``{'a.b': value}``, changes to keys of the tree.
        data: root of a data set, ``'sample'``, or None for the config's own.
        needs_data: whether the data must be there, and heads follow its classes; if not, the config's own number of
            classes stays, and of ``data`` it only matters whether it is ``'sample'``, for which configs have settings.
        without: names of :data:`~convnext_dense.techniques.TECHNIQUES` that the run does without.

    Raises:
        UserError: if the config can't be read, an option's first key is in no config, the data is not as expected,
            a technique is unknown or not in use.
    """
    file = find_config(path)
    try:
        cfg = Config.fromfile(file)
    except Exception as error:  # a config is a program, which can fail in any way
        where = f' line {error.lineno}' if isinstance(error, SyntaxError) else ''
        raise UserError(f'config {file}{where} does not parse: {_one_line(error)}') from error
    absent = [key for key in NEEDED if key not in cfg]
    if absent:
        raise UserError(f"config {file} is not one of this project's: it has no {', no '.join(absent)}")
    task = task_of(cfg)
    if data == 'sample':
        with _schedule_following(cfg):
            cfg.merge_from_dict(cfg.get('sample', {}))  # {'1': ...} changes the second item of a list
    for technique in dict.fromkeys(without):
        with _schedule_following(cfg):
            leave_out(cfg, technique)
    _check_options(options or {}, cfg)
    try:
        with _schedule_following(cfg):
            cfg.merge_from_dict(options or {})
    except (TypeError, KeyError, IndexError, AssertionError) as error:
        raise UserError(f'--cfg-options do not fit the config: {_one_line(error)}') from error
    if needs_data:
        point_at(cfg, data)
        set_classes(cfg, task.classes(cfg))
    return cfg


def point_at(cfg: Config, data: str | None) -> None:
    """Point the config's data sets at a root, or for ``'sample'`` at the drawn one; for None they stay at their own.

    Raises:
        UserError: if the data set can't be found there.
    """
    task = task_of(cfg)
    if data is not None:
        task.point(cfg, _sample_root(task) if data == 'sample' else data)


def set_length(cfg: Config, epochs: int | None = None, iters: int | None = None) -> None:
    """Make the run so many epochs or steps long; the schedule's parts keep their shares of it.

    Raises:
        UserError: for a length below 1, or in the other unit than the config's.
    """
    for flag, key, length in (('--epochs', 'max_epochs', epochs), ('--iters', 'max_iters', iters)):
        if length is None:
            continue
        own, own_flag = ('epochs', '--epochs') if 'max_epochs' in cfg.train_cfg else ('steps', '--iters')
        if flag != own_flag:
            raise UserError(f'this config counts {own}: give its length with {own_flag}, not {flag}')
        if length < 1:
            raise UserError(f'{flag} {length}: train at least 1')
        with _schedule_following(cfg):
            cfg.train_cfg[key] = length


def set_amp(cfg: Config, amp: str | None) -> None:
    """Choose the precision of training: ``'off'``, ``'fp16'``, ``'bf16'``, or None for the config's own.

    Raises:
        UserError: where the device can't do what is asked for.
    """
    wrapper, gpu = cfg.optim_wrapper, torch.cuda.is_available()
    if amp is None:
        if wrapper.type == 'AmpOptimWrapper' and not gpu:
            logging.getLogger('mmengine').warning('no GPU: mixed precision is off, training in float32')
            amp = 'off'
        else:
            return
    if amp == 'fp16' and not gpu:
        raise UserError('--amp fp16 needs a GPU: take --amp bf16 or --amp off')
    if amp == 'bf16' and gpu and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise UserError(f'--amp bf16 does not work on {torch.cuda.get_device_name()}: take --amp fp16 or --amp off')
    for key in ('dtype', 'loss_scale'):
        wrapper.pop(key, None)
    if amp == 'fp16':
        wrapper.update(type='AmpOptimWrapper', dtype='float16', loss_scale='dynamic')
    else:
        wrapper.type = 'OptimWrapper' if amp == 'off' else 'convnext_dense.BF16OptimWrapper'


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


def fit_to_machine(cfg: Config) -> None:
    """No more loader workers than cores, and no pinned memory without a GPU."""
    most = max(1, cores() // int(os.environ.get('LOCAL_WORLD_SIZE', 1)))
    for loader in loaders(cfg):
        loader.num_workers = min(loader.num_workers, most)
        loader.persistent_workers = loader.num_workers > 0 and loader.get('persistent_workers', False)
        loader.pin_memory = torch.cuda.is_available() and loader.get('pin_memory', False)


def _sample_root(task: Task) -> str:
    from .data.sample import ensure_sample

    return str(ensure_sample() / task.sample)


@contextmanager
def _schedule_following(cfg: Config) -> Iterator[None]:
    """Where the block changes the length of the run, and not the schedule itself, the schedule is stretched to it.

    In a run of so many epochs, what the schedule gives in steps stays.
    """
    key = 'max_epochs' if 'max_epochs' in cfg.train_cfg else 'max_iters'
    before, schedule = cfg.train_cfg[key], copy.deepcopy(cfg.param_scheduler)
    yield
    factor = cfg.train_cfg[key] / before
    if factor == 1 or cfg.param_scheduler != schedule:
        return
    for part in cfg.param_scheduler:
        if part.get('by_epoch', True) == (key == 'max_epochs'):
            scaled = (lambda x: x * factor) if key == 'max_epochs' else (lambda x: round(x * factor))
            part.update({name: scaled(part[name]) for name in {'begin', 'end', 'T_max'} & part.keys()})
            if 'milestones' in part:
                part.milestones = [scaled(milestone) for milestone in part.milestones]


def _check_options(options: dict, cfg: Config) -> None:
    known = set(cfg.keys()) | RUNNER_KEYS
    for option in options:
        key = option.split('.')[0]
        if key not in known:
            near = difflib.get_close_matches(key, sorted(known), n=1) or [', '.join(sorted(cfg.keys()))]
            raise UserError(f'--cfg-options: no key {key!r} in the config; did you mean {near[0]}?')


def _one_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
