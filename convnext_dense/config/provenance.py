"""Values of a resolved config with their origins."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..tasks import AS_FOUND, DataOptions
from .read import Step, read_in_steps
from .source import Source

Keys = tuple[str | int, ...]

SCHEDULE = 'the length of the run'  # origin of a stretched schedule
CLASSES = 'the classes of the data'


class Origin(NamedTuple):
    """Origin of a value: a line of a file, or a command-line argument."""

    by: str  # a path, relative if the file is in the current folder; or an argument such as '--data'
    line: int | None = None

    def __str__(self) -> str:
        return self.by if self.line is None else f'{self.by}:{self.line}'


class Value(NamedTuple):
    """A value of a resolved config: a number, a string, None, or a list without dicts."""

    keys: Keys
    value: Any
    origin: Origin

    @property
    def key(self) -> str:
        """The keys in the notation of ``--cfg-options``, such as ``param_scheduler.0.end``."""
        return '.'.join(map(str, self.keys))


def explain(
    path: str,
    options: dict[str, Any] | None = None,
    data: str | None = None,
    needs_data: bool = True,
    label_zero: str | None = None,
    data_options: DataOptions = AS_FOUND,
) -> list[Value]:
    """Read a config and return all its values in order, with their origins.

    Arguments and errors are those of :func:`~convnext_dense.config.read.read_config`.
    """
    values: dict[Keys, Any] = {}
    origins: dict[Keys, Origin] = {}
    steps = read_in_steps(
        path,
        options,
        data,
        needs_data=needs_data,
        reads='train',
        label_zero=label_zero,
        data_options=data_options,
    )
    for step, cfg in steps:
        before, values = values, dict(innermost_values(cfg.to_dict()))
        source = Source(step.file.resolve()) if step.file else None
        for keys, value in values.items():
            is_set = _sets(step.settings, keys)
            if is_set or keys not in before or before[keys] != value:
                origins[keys] = _origin(step, source, keys, is_set)
    return [Value(keys, value, origins[keys]) for keys, value in values.items()]


def innermost_values(part: Any, keys: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    """Yield the innermost values with their keys; lists and tuples are split only if they contain dicts."""
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


def _sets(settings: Any, keys: Keys) -> bool:
    """Check whether nested settings set the value at these keys or at a parent of it."""
    for key in keys:
        if not isinstance(settings, dict):
            return True
        key = key if key in settings else str(key)  # options have list indices as strings
        if key not in settings:
            return False
        settings = settings[key]
    return True


def _origin(step: Step, source: Source | None, keys: Keys, is_set: bool) -> Origin:
    if source is not None and (is_set or step.name == 'file'):
        place = source.find(keys)
        return Origin(_display_path(place.file), place.line) if place else Origin(_display_path(source.file))
    if step.name == 'classes':
        return Origin(CLASSES)
    if keys[0] == 'param_scheduler' and not is_set and not step.name.startswith('--without'):
        return Origin(SCHEDULE)
    return Origin(step.name)


def _display_path(file: Path) -> str:
    """Return the path relative to the current folder if the file is inside it, otherwise the absolute path."""
    path = os.path.normpath(os.path.abspath(file))
    relative = os.path.relpath(path)
    return path if relative.startswith('..') else relative
