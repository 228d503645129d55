"""Reading a config, and what the command line changes in it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from mmengine.config import Config

from ..errors import UserError
from ..tasks import Task, set_classes, task_of
from .find import find_config
from .length import schedule_following
from .techniques import leave_out

NEEDED = (
    *('task', 'model', 'train_dataloader', 'val_dataloader', 'test_dataloader', 'train_cfg', 'test_cfg'),
    *('optim_wrapper', 'param_scheduler', 'randomness', 'visualizer'),
)
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
        without: names of :data:`~convnext_dense.config.techniques.TECHNIQUES` that the run does without.

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
        with schedule_following(cfg):
            cfg.merge_from_dict(cfg.get('sample', {}))  # {'1': ...} changes the second item of a list
    for technique in dict.fromkeys(without):
        with schedule_following(cfg):
            leave_out(cfg, technique)
    _check_options(options or {}, cfg)
    try:
        with schedule_following(cfg):
            cfg.merge_from_dict(options or {})
    except (TypeError, KeyError, IndexError, AssertionError) as error:
        raise UserError(f'--cfg-options do not fit the config: {_one_line(error)}') from error
    if needs_data:
        point_at(cfg, data)
        set_classes(cfg, task.count_classes(cfg))
    return cfg


def point_at(cfg: Config, data: str | None) -> None:
    """Point the config's data sets at a root, or for ``'sample'`` at the drawn one; for None they stay at their own.

    Raises:
        UserError: if the data set can't be found there.
    """
    task = task_of(cfg)
    if data is not None:
        task.point_at(cfg, _sample_root(task) if data == 'sample' else data)


def _sample_root(task: Task) -> str:
    from ..sample_data.sample import ensure_sample

    return str(ensure_sample() / task.sample_folder)


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
