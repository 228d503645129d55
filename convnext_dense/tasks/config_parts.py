"""Access to parts that the configs of all tasks have: data loaders and the heads' numbers of classes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmengine.config import Config, ConfigDict


def loaders(cfg: Config) -> list[ConfigDict]:
    """Return a config's data loaders for training, validation and testing, as far as it has them."""
    keys = ('train_dataloader', 'val_dataloader', 'test_dataloader')
    return [cfg[key] for key in keys if cfg.get(key) is not None]


def leave_out_training(cfg: Config) -> None:
    """Remove from a config all that only training reads."""
    for key in ('train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler'):
        cfg[key] = None


def leave_out_validation(cfg: Config) -> None:
    """Remove the validation during training from a config; testing stays."""
    for key in ('val_dataloader', 'val_cfg', 'val_evaluator'):
        cfg[key] = None


def set_classes(cfg: Config, count: int) -> None:
    """Set the number of classes of every head of a config's model."""
    for part in _dicts(cfg.model):
        if 'num_classes' in part:
            part['num_classes'] = count


def smallest_head(cfg: Config) -> int:
    """Return the smallest number of classes of a head in a config's model."""
    return min(part['num_classes'] for part in _dicts(cfg.model) if 'num_classes' in part)


def _dicts(value: object) -> Iterator[dict]:
    """Yield all dicts in a nested value, outer ones first."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _dicts(item)
