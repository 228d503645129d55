"""Parts that the configs of all tasks have: data loaders, and heads with a number of classes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmengine.config import Config, ConfigDict


def loaders(cfg: Config) -> list[ConfigDict]:
    """The data loaders of a config, for training, validation and testing, of which some may be absent."""
    keys = ('train_dataloader', 'val_dataloader', 'test_dataloader')
    return [cfg[key] for key in keys if cfg.get(key) is not None]


def set_classes(cfg: Config, count: int) -> None:
    """Set the number of classes of every head of a config's model."""
    for part in _dicts(cfg.model):
        if 'num_classes' in part:
            part['num_classes'] = count


def smallest_head(cfg: Config) -> int:
    """The smallest number of classes that a head of a config's model has."""
    return min(part['num_classes'] for part in _dicts(cfg.model) if 'num_classes' in part)


def _dicts(value: object) -> Iterator[dict]:
    """All dicts in a nested value, the outer ones first."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _dicts(item)
