"""Set the length of a run and stretch its learning-rate schedule accordingly."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..checkpoints import manifest
from ..errors import UserError
from .find import find_run_config, find_work_dir
from .source import read_literals

if TYPE_CHECKING:
    from mmengine.config import Config


def set_length(cfg: Config, epochs: int | None = None, iters: int | None = None, planned: int | None = None) -> None:
    """Set the length of a run in epochs or optimizer steps, and stretch its learning-rate schedule.

    Args:
        cfg: the config, which is changed.
        epochs, iters: the length, in the config's own unit; None for the config's.
        planned: length for which the schedule of a resumed run was planned. The schedule is stretched to that one, and
            only the parts that end with it end with the run instead.

    Raises:
        UserError: for a length below 1, or in another unit than the config's.
    """
    for flag, key, length in (('--epochs', 'max_epochs', epochs), ('--iters', 'max_iters', iters)):
        if length is None:
            continue
        own, own_flag = ('epochs', '--epochs') if 'max_epochs' in cfg.train_cfg else ('steps', '--iters')
        if flag != own_flag:
            raise UserError(f'this config counts {own}: give its length with {own_flag}, not {flag}')
        if length < 1:
            raise UserError(f'{flag} {length}: train at least 1')
        with schedule_following(cfg):
            cfg.train_cfg[key] = planned or length
        if planned not in (None, length):
            cfg.train_cfg[key] = length
            cfg.schedule_length = planned
            for part in _parts(cfg.param_scheduler):
                counts_alike = part.get('by_epoch', True) == (key == 'max_epochs')
                if counts_alike and part.get('end') is not None and part.end > planned - 1e-6:
                    part.end += length - planned


def planned_length(checkpoint: str | Path) -> int | None:
    """Read from the config that a run saved for which length, in epochs or steps, its schedule was planned.

    Args:
        checkpoint: a work dir, or a checkpoint in one.

    Returns:
        The length, or None if there is no such config.
    """
    work_dir = find_work_dir(checkpoint)
    saved = None if work_dir is None else read_literals(find_run_config(work_dir))
    if not saved:
        return None
    loop = saved.get('train_cfg') or {}
    return saved.get('schedule_length') or loop.get('max_epochs') or loop.get('max_iters')


def keep_ended_length(cfg: Config, run: str | Path) -> bool:
    """Keep the length of a run that a hook has ended early, such as by its patience, where it is resumed.

    Nothing of it is left to train, whatever length the config has.

    Args:
        cfg: the config, which is changed.
        run: the work dir of the run.

    Returns:
        Whether the run was ended early, and has the same unit of length as the config.
    """
    from ..checkpoints.files import list_checkpoints  # which imports torch
    from .saved import settings_of_run

    found = list_checkpoints(run)
    if not found or not manifest.read(run).get(found[-1].name, {}).get('stopped_early'):
        return False
    key = 'max_epochs' if 'max_epochs' in cfg.train_cfg else 'max_iters'
    own = (settings_of_run(run).get('train_cfg') or {}).get(key)
    if not isinstance(own, int):
        return False
    length = {'epochs' if key == 'max_epochs' else 'iters': own}
    set_length(cfg, **length, planned=planned_length(run))
    return True


@contextmanager
def schedule_following(cfg: Config) -> Iterator[None]:
    """Context that stretches the learning-rate schedule if the length of the run changes and the schedule does not.

    Each part keeps its share of the run; a part that ends with the run, or a step after it, still does. In a config
    that counts epochs, parts that count steps are not changed. So does the epoch from which a hook trains with another
    pipeline (``switch_epoch``).
    """
    key = 'max_epochs' if 'max_epochs' in cfg.train_cfg else 'max_iters'
    before, schedule = cfg.train_cfg[key], copy.deepcopy(cfg.param_scheduler)
    switches = copy.deepcopy(cfg.get('custom_hooks'))
    yield
    if not isinstance(cfg.train_cfg[key], int | float):
        return  # an error that is found with others
    after = cfg.train_cfg[key]
    if after != before and key == 'max_epochs' and cfg.get('custom_hooks') == switches:
        for hook in switches or ():
            if isinstance(hook.get('switch_epoch'), int):
                hook.switch_epoch = round(hook.switch_epoch * after / before)
        if switches:
            cfg.custom_hooks = switches
    if after == before or cfg.param_scheduler != schedule:
        return

    def scaled(x: float) -> float:
        if key == 'max_epochs':
            return x * after / before
        if x >= before:
            return after + x - before
        return round((x - 1) * after / before) + 1 if x > 0 else x  # the last step's place, and one step after it

    for part in _parts(cfg.param_scheduler):
        if part.get('by_epoch', True) == (key == 'max_epochs'):
            part.update({name: scaled(part[name]) for name in {'begin', 'end', 'T_max'} & part.keys()})
            if 'milestones' in part:
                part.milestones = [scaled(milestone) for milestone in part.milestones]


def _parts(schedule: Any) -> list[Any]:
    """Return the parts of a schedule: mmengine takes a list, a single part, or None."""
    return [schedule] if isinstance(schedule, dict) else list(schedule or ())
