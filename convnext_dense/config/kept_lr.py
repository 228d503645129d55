"""The lr of a config whose total batch, which it is for, was changed without it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from mmengine.config import Config

from ..engine.total_batch import lr_for_batch
from .read import read_config

TOTAL, LR = 'train_cfg.total_batch_size', 'optim_wrapper.optimizer.lr'


def describe_kept_lr(
    cfg: Config, path: str, options: Mapping[str, Any], data: str | None, without: Collection[str], processes: int
) -> str:
    """Describe an lr that options have left as it was while they changed the total batch, and what to give for it.

    Args:
        cfg: the config, read with the options.
        path, data, without: what it was read from, as for :func:`~convnext_dense.config.read.read_config`.
        options: changes to nested keys, ``{'a.b': value}``.
        processes: number of processes, for a config that states no total batch.

    Returns:
        A line, or nothing where total batch or lr are the config's own, or ``auto_scale_lr`` says what the lr is for.
    """
    changes_batch = any(_is_within(TOTAL, option) for option in options)
    lr = cfg.optim_wrapper.get('optimizer', {}).get('lr')
    if not changes_batch or LR in options or lr is None or (cfg.get('auto_scale_lr') or {}).get('enable', False):
        return ''
    own = read_config(path, data=data, needs_data=False, without=without)
    wanted, batch = _batch_of_lr(own, processes), _batch_of_lr(cfg, processes)
    if batch == wanted or lr != own.optim_wrapper.get('optimizer', {}).get('lr'):
        return ''
    suggested = lr_for_batch(cfg.optim_wrapper.optimizer, batch, wanted)
    return (
        f"the total batch that the lr is for is {batch}, the config's own {wanted}, and the lr is still {lr:g}: give "
        f'one for {batch} as well, such as --cfg-options {LR}={suggested:.3g}'
    )


def _is_within(key: str, option: str) -> bool:
    """Whether an option sets the value at a key."""
    return key == option or key.startswith(f'{option}.')


def _batch_of_lr(cfg: Config, processes: int) -> int:
    """Return the total batch that a config's lr is for."""
    stated = cfg.train_cfg.get('total_batch_size')
    return int(stated or cfg.train_dataloader.batch_size * processes * cfg.optim_wrapper.get('accumulative_counts', 1))
