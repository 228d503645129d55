"""The text of configs: which file sets a key, and in which line. Imports no torch or mmengine, and runs no config.

A config is a Python file of assignments, ``_base_`` names the files that it inherits from, and dicts are merged key by
key. That much can be read from the syntax tree. An expression that is neither a dict, a list nor a literal counts as
one value.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

BASE, DELETE = '_base_', '_delete_'


class Place(NamedTuple):
    """Where a config sets a key."""

    file: Path
    line: int
    node: ast.expr  # the value

    def value(self) -> Any:
        """The value; None if it is more than a literal."""
        try:
            return ast.literal_eval(self.node)
        except ValueError:
            return None


class Source:
    """The text of one config file, with its bases.

    Args:
        file: an absolute path.
        known: files that were read before; those read now are added.

    Raises:
        OSError: if the file, or that of a base, can't be read.
        SyntaxError: if it is no Python.
    """

    def __init__(self, file: Path, known: dict[Path, Source] | None = None) -> None:
        known = {} if known is None else known
        known[file] = self
        self.file = file
        self.assigned: dict[str, ast.expr] = {}
        self.items: list[tuple[tuple[Any, ...], ast.expr]] = []  # from lines such as default_hooks['ema'] = None
        for target, value in _assignments(ast.parse(file.read_text(encoding='utf-8')).body):
            if isinstance(target, ast.Name):
                self.assigned[target.id] = value
            elif (keys := _subscripts(target)) is not None:
                self.items.append((keys, value))
        self.bases = [known.get(base) or Source(base, known) for base in self._base_files()]

    def find(self, keys: Sequence[str | int]) -> Place | None:
        """Where the value of a key of the merged config is set; None if neither the file nor a base sets it.

        Args:
            keys: from the outermost on, an integer for an item of a list: ``('param_scheduler', 0, 'end')``.
        """
        node = self._find_here(keys)
        if node is not None:
            return Place(self.file, node.lineno, node)
        for base in self.bases:
            found = base.find(keys)
            if found is not None:
                return found
        return None

    def value(self, *keys: str | int) -> Any:
        """The value of a key of the merged config; None if it is not set, or to more than a literal."""
        place = self.find(keys)
        return place.value() if place else None

    def files(self) -> Iterator[Path]:
        """This file and all that it inherits from."""
        yield self.file
        for base in self.bases:
            yield from base.files()

    def _find_here(self, keys: Sequence[str | int]) -> ast.expr | None:
        for prefix, node in reversed(self.items):
            if tuple(keys[: len(prefix)]) == prefix and (found := self._descend(node, keys[len(prefix) :])):
                return found
        node = self.assigned.get(str(keys[0]))
        return None if node is None else self._descend(node, keys[1:])

    def _descend(self, node: ast.expr, keys: Sequence[str | int]) -> ast.expr | None:
        """The value of nested keys; the expression around them if they can't be told apart, None if there are none."""
        if isinstance(node, ast.Name) and node.id in self.assigned and self.assigned[node.id] is not node:
            return self._descend(self.assigned[node.id], keys)
        if not keys:
            return node
        key, *rest = keys
        if isinstance(node, ast.List | ast.Tuple):
            known = isinstance(key, int) and not any(isinstance(item, ast.Starred) for item in node.elts)
            return self._descend(node.elts[int(key)], rest) if known and int(key) < len(node.elts) else node
        if isinstance(node, ast.ListComp):
            return self._descend(node.elt, rest)
        items = _dict_items(node)
        if items is None:
            return node
        if key in items:
            return self._descend(items[key], rest)
        return node if None in items or DELETE in items else None

    def _base_files(self) -> list[Path]:
        node = self.assigned.pop(BASE, None)
        try:
            names = ast.literal_eval(node) if node is not None else []
        except ValueError:  # computed
            names = []
        names = [names] if isinstance(names, str) else names
        files = [Path(os.path.normpath(self.file.parent / name)) for name in names]
        return [file for file in files if file.suffix == '.py' and file.is_file()]  # others are another package's


def read_literals(file: Path) -> dict[str, Any] | None:
    """Read a config that consists of literals alone, as the one that a run saves, without running it.

    Returns:
        None if there is more in the file, such as an expression or a base, or if it can't be read.
    """
    values = {}
    try:
        for statement in ast.parse(file.read_text(encoding='utf-8')).body:
            if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
                return None
            values[statement.targets[0].id] = _literal(statement.value)
    except (OSError, SyntaxError, ValueError):
        return None
    return None if BASE in values else values


def _literal(node: ast.expr) -> Any:
    """The value of an expression of literals and ``dict(...)``; a ValueError for others."""
    items = _dict_items(node)
    if items is not None and None not in items:
        return {key: _literal(value) for key, value in items.items()}
    if isinstance(node, ast.Call) and items is not None and not node.keywords and len(node.args) == 1:
        return dict(_literal(node.args[0]))  # as mmengine writes a dict whose keys are no names
    if isinstance(node, ast.List | ast.Tuple):
        values = [_literal(item) for item in node.elts]
        return values if isinstance(node, ast.List) else tuple(values)
    return ast.literal_eval(node)


def _assignments(body: Sequence[ast.stmt]) -> Iterator[tuple[ast.expr, ast.expr]]:
    for statement in body:
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                yield target, statement.value
        for block in ('body', 'orelse'):
            yield from _assignments(getattr(statement, block, []))


def _subscripts(target: ast.expr) -> tuple[Any, ...] | None:
    """The keys of ``name['a'][0]``, the name first."""
    keys: list[Any] = []
    while isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant):
        keys.insert(0, target.slice.value)
        target = target.value
    return (target.id, *keys) if isinstance(target, ast.Name) and keys else None


def _dict_items(node: ast.expr) -> dict[Any, ast.expr] | None:
    """The items of ``dict(...)`` or ``{...}``, with the key None for what is unpacked; None for other expressions."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == 'dict':
        items: dict[Any, ast.expr] = {keyword.arg: keyword.value for keyword in node.keywords}
        return {**dict.fromkeys([None] * len(node.args), node), **items}
    if isinstance(node, ast.Dict):
        keys = (key.value if isinstance(key, ast.Constant) else None for key in node.keys)
        return dict(zip(keys, node.values, strict=True))
    return None
