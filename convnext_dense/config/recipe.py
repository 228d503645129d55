"""``--recipe small``: a config's settings for few training images, kept in the run for those that resume it.

The rule is :mod:`.small_recipe`. What it sets are keys joined with dots, as ``--cfg-options`` sets them; those that
the command line sets itself stay. A run keeps them in the key ``recipe`` of its config, so that a resumed one has the
same, whatever the number of images is then.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from mmengine.config import Config
from mmengine.registry import DATASETS, DefaultScope

from ..counting import counted
from ..engine.building import config_errors
from ..engine.total_batch import lr_for_batch, plan_batches
from ..errors import UserError
from ..tasks import Task, task_of
from .length import set_length
from .small_recipe import (
    LARGEST_RAISED_LR,
    LEAST_WARM_UP,
    MANY_IMAGES,
    VALIDATIONS,
    WARM_UP_SHARE,
    Length,
    batch_of,
    ema_momentum,
    length_of,
)

if TYPE_CHECKING:
    from mmengine.config import ConfigDict

PAPER, SMALL = RECIPES = ('paper', 'small')
KEY = 'recipe'
TOTAL, PER_PROCESS, COUNTS = (
    'train_cfg.total_batch_size',
    'train_dataloader.batch_size',
    'optim_wrapper.accumulative_counts',
)
LR, SCALING, MOMENTUM = 'optim_wrapper.optimizer.lr', 'auto_scale_lr.enable', 'default_hooks.ema.momentum'
VALIDATION, CHECKPOINTS = 'train_cfg.val_interval', 'default_hooks.checkpoint.interval'


class Given(NamedTuple):
    """What the command line sets, which the recipe leaves alone."""

    options: Collection[str] = ()
    """Keys joined with dots, of ``--cfg-options`` and of flags."""
    length: str = ''
    """Why the length stays, such as ``'--epochs'``; empty if the recipe may set it."""

    def sets(self, key: str) -> bool:
        """Whether a key, or a part that it is in, or something in it is set."""
        return any(key == one or key.startswith(f'{one}.') or one.startswith(f'{key}.') for one in self.options)


def recipe_to_keep(name: str | None, saved: Mapping[str, Any], cfg: Config) -> Mapping[str, Any] | None:
    """Return what a resumed run keeps of its recipe, and check the flag.

    Args:
        name: the value of ``--recipe``; None if it is not given.
        saved: the config of the run that is resumed; empty for a new run.
        cfg: the config.

    Returns:
        The entry ``recipe`` of the run; None of a new run, and of one without.

    Raises:
        UserError: if the flag names another recipe than the run has, or the config has one already.
    """
    if not saved:
        if name == SMALL and cfg.get(KEY) is not None:
            images = counted(cfg[KEY].images, cfg[KEY].unit)
            raise UserError(
                f'--recipe small: the config is of a run that had it, for {images}: leave it out, or give the config '
                'that the run was started with'
            )
        return None
    kept: Mapping[str, Any] | None = saved.get(KEY)
    had = PAPER if kept is None else kept['name']
    if name not in (None, had):
        raise UserError(
            f'--recipe {name}: the run that is resumed has the recipe {had}: leave it out; to change it, start a new '
            'run from its weights with --pretrained'
        )
    return kept


def keep_length(cfg: Config, kept: Mapping[str, Any]) -> None:
    """Set the length that the recipe of a resumed run set, before any other."""
    if kept.get('length'):
        set_length(cfg, **kept['length'])


def keep_settings(cfg: Config, kept: Mapping[str, Any], given: Given) -> str:
    """Set all else that the recipe of a resumed run set, but for what the command line sets; returns a line."""
    for key, value in kept['settings'].items():
        if not given.sets(key):
            cfg.merge_from_dict({key: copy.deepcopy(value)})
    cfg[KEY] = kept
    return f'recipe {kept["name"]} for {counted(kept["images"], kept["unit"])}, as the run was started with it'


def apply_small_recipe(cfg: Config, given: Given, processes: int = 1) -> list[str]:
    """Change a config by the rule for few training images.

    Args:
        cfg: the config, pointed at its data; the run's own settings, also its length, are in it.
        given: what the command line sets.
        processes: the number of processes.

    Returns:
        Lines for the log.

    Raises:
        UserError: if the config has no lr, or its data can't be read.
    """
    optimizer = cfg.optim_wrapper.get('optimizer') or {}
    if not isinstance(optimizer.get('lr'), int | float):
        raise UserError(
            '--recipe small: optim_wrapper.optimizer states no lr, which it would set: take a config of one optimizer '
            'with an lr, or set batch, lr and warm-up with --cfg-options'
        )
    task, (images, unit) = task_of(cfg), count_training_samples(cfg.train_dataloader.dataset, cfg)
    batches = _Batches(cfg, images, processes)
    told: list[str] = []
    settings: dict[str, Any] = {}
    left: list[str] = []

    def use(key: str, value: Any, text: str) -> None:
        """Set a key unless the command line does, and say it."""
        if given.sets(key):
            left.append(key)
            return
        settings[key] = value
        cfg.merge_from_dict({key: copy.deepcopy(value)})
        if text:
            told.append(text)

    own_total = batches.own_total
    if given.sets(TOTAL):
        left.append(TOTAL)
        wanted = own_total
    elif given.sets(PER_PROCESS):
        left.append(PER_PROCESS)
        wanted = max(batch_of(images, own_total), batches.own_per_process * processes)
    else:
        wanted = batch_of(images, own_total)
        use(PER_PROCESS, max(1, min(batches.own_per_process, wanted // processes)), '')
    if not given.sets(TOTAL):
        use(TOTAL, wanted, f'batch {wanted} (the config: {own_total})')
    if batches.accumulation is not None:
        use(COUNTS, 1, '')
    if (cfg.get('auto_scale_lr') or {}).get('enable'):
        use(SCALING, False, '')
    plan = plan_batches(images, cfg.train_dataloader.batch_size, processes, cfg.train_cfg.get('total_batch_size'))
    of_epoch = max(1, images // plan.total)

    lr = _raised(lr_for_batch(optimizer, wanted, batches.lr_total), task, cfg)
    use(LR, float(f'{lr:.2g}'), f'lr {lr:.2g} ({optimizer["lr"]:g})')

    in_steps = 'max_iters' in cfg.train_cfg
    own = Length(cfg.train_cfg.max_iters if in_steps else cfg.train_cfg.max_epochs, in_steps)
    length, changed = own, None
    stated = 'train_cfg.max_iters' if in_steps else 'train_cfg.max_epochs'
    why = given.length or ('--cfg-options' if given.sets(stated) else '')
    if not why:
        length = length_of(images, of_epoch, own)
        if length != own:
            changed = {'iters' if in_steps else 'epochs': length.number}
            set_length(cfg, **changed)
    told.append(f'{length} ({why or f"the config: {own.number:,}"})')
    steps = length.number if in_steps else length.number * of_epoch
    if in_steps:
        interval = max(1, length.number // VALIDATIONS)
        for key in (VALIDATION, CHECKPOINTS):
            if interval < (_value_at(cfg, key) or 0) <= own.number and changed:
                use(key, interval, f'validation every {interval} steps' if key == VALIDATION else '')

    for key, value in _warm_up(cfg, length, of_epoch):
        warm_up = f'warm-up {WARM_UP_SHARE * steps:.0f} of {steps:,} steps'
        if WARM_UP_SHARE * steps < LEAST_WARM_UP:  # which the runner leaves out
            warm_up = f'no warm-up in {counted(steps, "step")}'
        use(key, value, warm_up if key.endswith('.end') else '')
    if _value_at(cfg, MOMENTUM) is not None:
        momentum = ema_momentum(steps)
        use(MOMENTUM, momentum, f'EMA over {1 / momentum:.0f} steps')
    for key, milder in task.mild_augmentation(cfg).items():
        use(key, milder.value, milder.text)
    cfg[KEY] = dict(name=SMALL, images=images, unit=unit, settings=settings, length=changed)
    lines = [f'recipe small for {counted(images, unit)}: {", ".join(told)}']
    if left:
        lines[0] += f'; as given: {", ".join(dict.fromkeys(left))}'
    if images > MANY_IMAGES:
        lines.append(f'recipe small is for up to {MANY_IMAGES:,} images: the own settings of the config suit more')
    return lines


def count_training_samples(dataset: ConfigDict, cfg: Config) -> tuple[int, str]:
    """Count the samples of an epoch of a training data set, and say what they are, ``'image'`` or ``'tile'``.

    Args:
        dataset: its config, also of a wrapper of others, or a data set.
        cfg: the config it is in.

    Raises:
        UserError: if it can't be built.
    """
    from ..data.foreign import has_tiles

    built: Any = dataset
    if isinstance(dataset, Mapping):
        with (
            config_errors('train_dataloader.dataset', cfg),
            DefaultScope.overwrite_default_scope(cfg.get('default_scope')),
            _without_log(),
        ):
            built = DATASETS.build(copy.deepcopy(dataset))
            if hasattr(built, 'full_init'):
                built.full_init()
    return len(built), 'tile' if has_tiles(built) else 'image'


class _Batches:
    """The batches of a config before the recipe changes them."""

    def __init__(self, cfg: Config, images: int, processes: int) -> None:
        self.accumulation = cfg.optim_wrapper.get('accumulative_counts')
        self.own_per_process = int(cfg.train_dataloader.get('batch_size') or 1)
        at_once = self.own_per_process * processes * (self.accumulation or 1)
        self.own_total = int(cfg.train_cfg.get('total_batch_size') or at_once)
        scaling = cfg.get('auto_scale_lr') or {}
        self.lr_total = int(
            scaling.get('base_batch_size', self.own_total) if scaling.get('enable') else self.own_total
        )


def _warm_up(cfg: Config, length: Length, of_epoch: int) -> Iterator[tuple[str, float]]:
    """Yield the changes that make a schedule's warm-up a tenth of the run."""
    parts = cfg.get('param_scheduler')
    if not isinstance(parts, Sequence):
        return
    for index, part in enumerate(parts):
        if part.get('type') != 'LinearLR' or part.get('begin', 0) or part.get('start_factor', 1 / 3) >= 1:
            continue
        by_epoch, before = part.get('by_epoch', True), part.get('end')
        steps = length.number if length.in_steps else length.number * of_epoch
        if by_epoch:
            end = WARM_UP_SHARE * (steps / of_epoch)
            end = round(end, 2) if part.get('convert_to_iter_based') else max(1, round(end))
        else:
            end = max(2, round(WARM_UP_SHARE * steps)) + 1  # mmengine counts the step that has the full lr too
        yield f'param_scheduler.{index}.end', end
        for other, one in enumerate(parts):
            if other != index and one.get('by_epoch', True) == by_epoch and one.get('begin') == before:
                yield f'param_scheduler.{other}.begin', end
        return


def _raised(scaled: float, task: Task, cfg: Config) -> float:
    """Return the lr for few images: the scaled one, raised by the task's factor where that was measured for its kind.

    Adam's kinds of optimizers were, and models without queries, which are sensitive to their lr.
    """
    if str(cfg.optim_wrapper.optimizer.get('type')).split('.')[-1] == 'SGD' or _has_queries(cfg.model):
        return scaled
    return max(scaled, min(scaled * task.small_lr_factor, LARGEST_RAISED_LR))


def _has_queries(part: Any) -> bool:
    if isinstance(part, Mapping):
        return 'num_queries' in part or any(map(_has_queries, part.values()))
    return isinstance(part, list | tuple) and any(map(_has_queries, part))


def _value_at(cfg: Config, key: str) -> Any:
    value: Any = cfg
    for name in key.split('.'):
        value = value.get(name) if isinstance(value, Mapping | Config) else None
    return value


@contextmanager
def _without_log() -> Iterator[None]:
    """Context without the lines of data sets, which are built once more for the run."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
