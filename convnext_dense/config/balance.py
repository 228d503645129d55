"""``--balance``: the setting of a config's sampler by which images of rare classes are drawn more often."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from mmengine.config import Config

from ..errors import UserError
from ..tasks import task_of
from .saved import setting_of_run

SETTING = 'train_dataloader.sampler.balance'
SAMPLER = 'SeededSampler'
KEYS = ('balance', 'balance_threshold')


def set_balance(cfg: Config, strength: float | None, options: Collection[str] = ()) -> None:
    """Have a config's training sampler balance the classes.

    Args:
        cfg: the config, which is changed.
        strength: of :class:`~convnext_dense.data.balance.Balance`, above 0 and up to 1; None for the task's.
        options: keys that the command line sets.

    Raises:
        UserError: if an option sets the same, or the config has another sampler.
    """
    flag = '--balance' if strength is None else f'--balance {strength:g}'
    if SETTING in options:
        raise UserError(f'{flag} and --cfg-options {SETTING}=... both say how classes are balanced: leave out one')
    task = task_of(cfg)
    if not task.has_classes:
        raise UserError(f'{flag} is for data with classes, and for {task.name} labels play no role: leave it out')
    sampler = cfg.train_dataloader.get('sampler') or {}
    kind = sampler.get('type')
    name = kind if isinstance(kind, str) else getattr(kind, '__name__', 'none')
    if name.rpartition('.')[2] != SAMPLER:
        raise UserError(
            f'{flag}: train_dataloader.sampler is {name}: take dict(type="convnext_dense.{SAMPLER}", shuffle=True)'
        )
    sampler['balance'] = task.balance if strength is None else strength


def keep_balance(cfg: Config, run: str | Path) -> str | None:
    """Keep the balance of a run that is resumed without ``--balance``.

    Args:
        cfg: the config, which is changed.
        run: the run's work dir, or a checkpoint in one.

    Returns:
        A line that says so; None if the run had none, or the config states one.
    """
    loader = setting_of_run(run, 'train_dataloader') or {}
    saved = {key: value for key, value in (loader.get('sampler') or {}).items() if key in KEYS and value}
    sampler = cfg.train_dataloader.get('sampler') or {}
    if not saved.get('balance') or any(key in sampler for key in KEYS):
        return None
    sampler.update(saved)
    return f'--balance {saved["balance"]:g} is kept, which the run had'
