"""The values of a resolved config, each with the place that set it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from .read import Step, read_in_steps
from .source import Source

Keys = tuple[str | int, ...]

SCHEDULE = 'the length of the run'  # which the schedule follows
CLASSES = 'the classes of the data'


class Origin(NamedTuple):
    """The place that set a value: a line of a file, or an argument of the command line."""

    by: str  # a path, from the current folder where it lies in it; or such as '--data'
    line: int | None = None

    def __str__(self) -> str:
        return self.by if self.line is None else f'{self.by}:{self.line}'


class Value(NamedTuple):
    """A value of a resolved config: a number, a text, None, or a list without dicts in it."""

    keys: Keys
    value: Any
    origin: Origin

    @property
    def key(self) -> str:
        """The keys as ``--cfg-options`` takes them, such as ``param_scheduler.0.end``."""
        return '.'.join(map(str, self.keys))


def explain(
    path: str, options: dict[str, Any] | None = None, data: str | None = None, needs_data: bool = True
) -> list[Value]:
    """All values of a config, in its order, each with the place that set it.

    The arguments and errors are those of :func:`~convnext_dense.config.read.read_config`.
    """
    values: dict[Keys, Any] = {}
    origins: dict[Keys, Origin] = {}
    for step, cfg in read_in_steps(path, options, data, needs_data):
        before, values = values, dict(innermost_values(cfg.to_dict()))
        source = Source(step.file.resolve()) if step.file else None
        for keys, value in values.items():
            stated = _states(step.settings, keys)
            if stated or keys not in before or before[keys] != value:
                origins[keys] = _origin(step, source, keys, stated)
    return [Value(keys, value, origins[keys]) for keys, value in values.items()]


def innermost_values(part: Any, keys: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    """The innermost values with their keys; lists and tuples are taken apart only where there are dicts in them."""
    if isinstance(part, dict) and part:
        for key, value in part.items():
            yield from innermost_values(value, (*keys, key))
    elif _holds_dicts(part):
        for index, value in enumerate(part):
            yield from innermost_values(value, (*keys, index))
    else:
        yield keys, part


def _holds_dicts(part: Any) -> bool:
    return isinstance(part, list | tuple) and any(isinstance(item, dict) or _holds_dicts(item) for item in part)


def _states(settings: Any, keys: Keys) -> bool:
    """Whether nested settings state the value at these keys, or one around it."""
    for key in keys:
        if not isinstance(settings, dict):
            return True
        key = key if key in settings else str(key)  # an option names the item of a list by a digit
        if key not in settings:
            return False
        settings = settings[key]
    return True


def _origin(step: Step, source: Source | None, keys: Keys, stated: bool) -> Origin:
    if source is not None and (stated or step.name == 'file'):
        place = source.find(keys)
        return Origin(_shown(place.file), place.line) if place else Origin(_shown(source.file))
    if step.name == 'classes':
        return Origin(CLASSES)
    if keys[0] == 'param_scheduler' and not stated and not step.name.startswith('--without'):
        return Origin(SCHEDULE)
    return Origin(step.name)


def _shown(file: Path) -> str:
    """The path from the current folder if the file lies in it, else the whole path."""
    path = os.path.normpath(os.path.abspath(file))
    relative = os.path.relpath(path)
    return path if relative.startswith('..') else relative
