"""What differs between the tasks when a config meets its data. The task is the config's ``task``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from mmengine.config import Config, ConfigDict

from .data.classification import scan_classes
from .errors import UserError


class Task(NamedTuple):
    sample: str  # folder of the sample data set
    follow: Callable[[Config, str | None], None]
    """Point the config's data sets at a root, or leave them at their own, and give the heads as many classes."""


def task_of(cfg: Config) -> Task:
    """The config's task.

    Raises:
        UserError: if there is none of that name.
    """
    if cfg.task not in TASKS:
        raise UserError(f'unknown task {cfg.task!r} in the config: take one of {", ".join(TASKS)}')
    return TASKS[cfg.task]


def loaders(cfg: Config) -> list[ConfigDict]:
    """The data loaders that the config has."""
    keys = ('train_dataloader', 'val_dataloader', 'test_dataloader')
    return [cfg[key] for key in keys if cfg.get(key) is not None]


def _follow_image_folder(cfg: Config, root: str | None) -> None:
    if root is not None:
        for loader in loaders(cfg):
            loader.dataset.root = root
    _set_classes(cfg, len(scan_classes(loaders(cfg)[0].dataset.root)))


def _set_classes(cfg: Config, count: int) -> None:
    """Every head follows the data."""
    for part in _dicts(cfg.model):
        if 'num_classes' in part:
            part['num_classes'] = count


def _dicts(value: object) -> Iterator[dict]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _dicts(item)


TASKS = {'classification': Task('classification', _follow_image_folder)}
