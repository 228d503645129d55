"""``--patience N``: the setting by which a run ends when its best checkpoint no longer gets better."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..errors import UserError
from ..tasks import place_of
from .saved import hook_of_run

HOOK = 'patience'
"""Key of the hook in ``default_hooks``."""
BEST_KEY = 'default_hooks.checkpoint.best'


def set_patience(cfg: Config, patience: int, options: Mapping[str, Any] = {}) -> str | None:
    """Have a run end after a number of validations in a row without improvement.

    A config that keeps no ``best.pth`` keeps one from then on, by its first metric. Where the config stops early by a
    metric of its own (``EarlyStoppingHook``), it is that hook's patience.

    Args:
        cfg: the config, which is changed.
        patience: the number of validations.
        options: changes by ``--cfg-options``.

    Returns:
        A line about what was changed beside that, or None.

    Raises:
        UserError: if the run has no validation, or an option sets the same or leaves out ``best.pth``.
    """
    flag = f'--patience {patience}'
    if cfg.get('val_dataloader') is None:
        raise UserError(
            f'{flag} waits for validations, and there are no validation data beside '
            f'{place_of(cfg.train_dataloader.dataset)}: hold out a fifth of the images with --val-split 0.2'
        )
    same = next((option for option in options if option.startswith(f'default_hooks.{HOOK}')), None)
    if same is not None:
        raise UserError(f'{flag} and --cfg-options {same}=... both set the patience: leave out one')
    own = [hook for hook in cfg.get('custom_hooks') or () if _stops_early(hook)]
    for hook in own:
        hook['patience'] = patience
    if own:
        monitored = ', '.join(str(hook.get('monitor')) for hook in own)
        return f'{flag} is that of the EarlyStoppingHook of the config, which watches {monitored}'
    checkpoint = cfg.default_hooks.checkpoint
    line = None
    if not (checkpoint.get('best') or checkpoint.get('save_best')):
        if BEST_KEY in options:
            raise UserError(f'{flag} waits for a better best.pth: leave out --cfg-options {BEST_KEY}=None')
        checkpoint['best'] = 'auto'
        line = f'{flag} keeps best.pth, which the config does not: by the first metric of the validation'
    cfg.default_hooks[HOOK] = dict(type='convnext_dense.Patience', patience=patience)
    return line


def keep_patience(cfg: Config, run: str | Path) -> str | None:
    """Keep the patience of a run that is resumed without ``--patience``.

    Args:
        cfg: the config, which is changed.
        run: the run's work dir, or a checkpoint in one.

    Returns:
        A line that says so; None if the run had none, or the config sets one.
    """
    saved = hook_of_run(cfg, run, HOOK)
    if saved is None:
        return None
    set_patience(cfg, saved['patience'])
    return f'--patience {saved["patience"]} is kept, which the run had; default_hooks.{HOOK}=None goes on without'


def _stops_early(hook: Any) -> bool:
    kind = hook.get('type') if isinstance(hook, Mapping) else None
    name = kind if isinstance(kind, str) else getattr(kind, '__name__', '')
    return name.rpartition('.')[2] in ('EarlyStoppingHook', 'EarlyStopping')
