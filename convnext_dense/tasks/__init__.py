"""What differs between the tasks."""

from .tasks import TASKS, Task, loaders, set_classes, task_of

__all__ = ['TASKS', 'Task', 'loaders', 'set_classes', 'task_of']
