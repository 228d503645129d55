"""Tasks: a class for each, whose attributes and methods hold everything that differs between tasks.

:func:`task_of` is the only function of the package that reads the task of a config.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UserError
from .base import ClassInfo, MainMetrics, PreparedImage, Task, TrainedClasses
from .classification import ClassificationTask
from .config_parts import leave_out_training, leave_out_validation, loaders, set_classes, smallest_head
from .detection import DetectionTask
from .segmentation import SegmentationTask

if TYPE_CHECKING:
    from mmengine.config import Config
    from torch import Tensor

TASKS: Mapping[str, Task] = {task.name: task for task in (ClassificationTask(), DetectionTask(), SegmentationTask())}
"""All tasks by name."""


def task_of(cfg: Config) -> Task:
    """Return the task of a config.

    Raises:
        UserError: if the config's task is unknown.
    """
    if cfg.task not in TASKS:
        raise UserError(f'unknown task {cfg.task!r} in the config: take one of {", ".join(TASKS)}')
    return TASKS[cfg.task]


def count_classes_in(state_dict: Mapping[str, Tensor], task: Task, path: Path) -> int:
    """Count the classes of the head in a checkpoint.

    Args:
        state_dict: the weights by name.
        task: the expected task of the head.
        path: the checkpoint's file, for error messages.

    Raises:
        UserError: if the head is for another task, or there is none.
    """
    count = task.count_head_classes(state_dict)
    if count is not None:
        return count
    for other in TASKS.values():
        if other.count_head_classes(state_dict) is not None:
            raise UserError(f'checkpoint {path} is for {other.name}, the config for {task.name}: take one of its task')
    raise UserError(f'checkpoint {path} has no head for {task.name}: train one on top of it with --pretrained {path}')


__all__ = [
    'TASKS',
    'ClassInfo',
    'MainMetrics',
    'PreparedImage',
    'Task',
    'TrainedClasses',
    'count_classes_in',
    'leave_out_training',
    'leave_out_validation',
    'loaders',
    'set_classes',
    'smallest_head',
    'task_of',
]
