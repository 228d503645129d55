"""Tasks: a class for each, whose attributes and methods hold everything that differs between tasks.

:func:`task_of` is the only function of the package that reads the task of a config.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..errors import UserError
from ..weights.class_counts import count_trained_classes, head_classes
from .base import Task
from .classification import ClassificationTask
from .config_parts import (
    check_chosen_classes,
    leave_out_training,
    leave_out_validation,
    loaders,
    set_classes,
    smallest_head,
)
from .datasets import (
    count_classes,
    data_views,
    has_own_data,
    innermost_datasets,
    keep_split,
    own_datasets,
    place_of,
    point_at,
    tested_dataset,
)
from .detection import DetectionTask
from .panoptic import PanopticTask
from .pretraining import PretrainingTask
from .records import AS_FOUND, TASK_OPTIONS, ClassInfo, DataOptions, MainMetrics, PreparedImage, TrainedClasses
from .segmentation import SegmentationTask

if TYPE_CHECKING:
    from mmengine.config import Config
    from torch import Tensor

    from ..weights.extraction import Weights

TASKS: Mapping[str, Task] = {
    task.name: task
    for task in (ClassificationTask(), DetectionTask(), SegmentationTask(), PanopticTask(), PretrainingTask())
}
"""All tasks by name."""


def task_of(cfg: Config) -> Task:
    """Return the task of a config.

    Raises:
        UserError: if the config's task is unknown.
    """
    if cfg.task not in TASKS:
        raise UserError(f'unknown task {cfg.task!r} in the config: take one of {", ".join(TASKS)}')
    return TASKS[cfg.task]


def check_data_options(task: Task, options: DataOptions) -> None:
    """Check that a task takes the options on how its data are read.

    Raises:
        UserError: if one is for another task.
    """
    for name in TASK_OPTIONS:
        value = getattr(options, name)
        if value is not None and name not in task.data_options:
            others = ' and '.join(other.name for other in TASKS.values() if name in other.data_options)
            flag = f'--{name.replace("_", "-")} {value}'
            raise UserError(f'{flag} is for {others}, and the config is for {task.name}: leave it out')


def check_same_task(weights: Weights, task: Task) -> None:
    """Check that weights are not known to be of another task's model.

    Checkpoints of this package name their task; others may be known by names of their heads.

    Raises:
        UserError: if they are.
    """
    known = [weights.task] if weights.task else _tasks_by_head(weights.state)
    if known and task.name not in known:
        raise UserError(
            f'checkpoint {weights.path} is for {known[0]}, the config for {task.name}: take one of its task'
        )


def count_classes_of(weights: Weights, cfg: Config) -> int:
    """Count the classes of the head in weights that do not name them, for a config of their model.

    Raises:
        UserError: if the weights are for another task, or have no head.
    """
    from ..engine.building import class_shapes

    task = task_of(cfg)
    check_same_task(weights, task)
    if not task.has_classes:
        return 0
    shapes = class_shapes(cfg)
    stated = max(head_classes(cfg.model).values(), default=None)
    known = count_trained_classes(shapes, weights.state) if shapes else stated
    count = task.count_stated_classes(cfg) or known or task.count_head_classes(weights.state)
    if count is None:
        raise UserError(
            f'checkpoint {weights.path} has no head for {task.name}: '
            f'train one on top of it with --pretrained {weights.path}'
        )
    return count


def _tasks_by_head(state_dict: Mapping[str, Tensor]) -> list[str]:
    return [task.name for task in TASKS.values() if task.count_head_classes(state_dict) is not None]


__all__ = [
    'AS_FOUND',
    'TASKS',
    'ClassInfo',
    'DataOptions',
    'MainMetrics',
    'PreparedImage',
    'Task',
    'TrainedClasses',
    'check_chosen_classes',
    'check_data_options',
    'check_same_task',
    'count_classes',
    'count_classes_of',
    'data_views',
    'has_own_data',
    'innermost_datasets',
    'keep_split',
    'leave_out_training',
    'leave_out_validation',
    'loaders',
    'own_datasets',
    'place_of',
    'point_at',
    'set_classes',
    'smallest_head',
    'task_of',
    'tested_dataset',
]
