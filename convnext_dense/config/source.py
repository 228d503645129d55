"""Find the file and line of a config that sets a key, without running it. Imports neither torch nor mmengine.

A config is a Python file of assignments, ``_base_`` lists the files from which it inherits, and dicts are merged key
by key. In mmengine's new style the bases are imported under ``with read_base():``, and their values changed by
assignments and by ``update``. All of this is read from the syntax tree. An expression that is neither a dict, a list
nor a literal is treated as one value.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from .find import PREFIX, packaged_path

BASE, DELETE, READ_BASE = '_base_', '_delete_', 'read_base'
ITSELF = '(itself)'  # key of what `update` changes: the dict itself


class Place(NamedTuple):
    """Place in a config file that sets a key."""

    file: Path
    line: int
    node: ast.expr  # the value

    def value(self) -> Any:
        """Return the value, or None if it is not a literal."""
        try:
            return ast.literal_eval(self.node)
        except ValueError:
            return None


class Source:
    """Parsed text of a config file and its bases.

    Args:
        file: an absolute path.
        known: files that are already parsed; the new ones are added.

    Attributes:
        is_old_style: True if it has a ``_base_``.
        is_new_style: True if it has a ``with read_base():``, or it has no ``_base_`` and imports more than Python's
            own modules, which mmengine takes for the new style.

    Raises:
        OSError: if the file or a base can't be read.
        SyntaxError: if a file is not valid Python.
    """

    def __init__(self, file: Path, known: dict[Path, Source] | None = None) -> None:
        known = {} if known is None else known
        known[file] = self
        self.file = file
        self.assigned: dict[str, ast.expr] = {}
        self.items: list[tuple[tuple[Any, ...], ast.expr]] = []  # from lines such as default_hooks['ema'] = None
        tree = ast.parse(file.read_text(encoding='utf-8'))
        imported = [statement for statement in tree.body if _reads_base(statement)]
        for target, value in _assignments(tree.body):
            if isinstance(target, ast.Name):
                self.assigned[target.id] = value
            elif (keys := _subscripts(target)) is not None:
                self.items.append((keys, value))
        self.is_old_style = BASE in self.assigned
        self.is_new_style = bool(imported) or (not self.is_old_style and any(map(_imports_more, ast.walk(tree))))
        files = [*self._base_files(), *self._imported_files(imported)]
        self.bases = [known.get(base) or Source(base, known) for base in files]

    def find(self, keys: Sequence[str | int]) -> Place | None:
        """Find the place that sets a key of the merged config; None if neither the file nor a base sets it.

        Args:
            keys: nested keys, outermost first, with integers for list items: ``('param_scheduler', 0, 'end')``.
        """
        node = self._find_here(keys)
        if node is not None:
            return Place(self.file, node.lineno, node)
        for base in self.bases:
            place = base.find(keys)
            if place is not None:
                return place
        return None

    def value(self, *keys: str | int) -> Any:
        """Return the value of a key of the merged config; None if it is not set, or not to a literal."""
        place = self.find(keys)
        return place.value() if place else None

    def files(self) -> Iterator[Path]:
        """Yield this file and all files from which it inherits."""
        for source in self.with_bases():
            yield source.file

    def with_bases(self) -> Iterator[Source]:
        """Yield this source and those of all files from which it inherits."""
        yield self
        for base in self.bases:
            yield from base.with_bases()

    def _find_here(self, keys: Sequence[str | int]) -> ast.expr | None:
        for prefix, node in reversed(self.items):
            if tuple(keys[: len(prefix)]) == prefix and (value := self._descend(node, keys[len(prefix) :])):
                return value
        node = self.assigned.get(str(keys[0]))
        return None if node is None else self._descend(node, keys[1:])

    def _descend(self, node: ast.expr, keys: Sequence[str | int]) -> ast.expr | None:
        """Return the expression at nested keys, or the one around them if it can't be split; None if there is none."""
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
        paths = [
            packaged_path(name.removeprefix(PREFIX)) if name.startswith(PREFIX) else self.file.parent / name
            for name in names
        ]
        files = [Path(os.path.normpath(path)) for path in paths]
        return [file for file in files if file.suffix == '.py' and file.is_file()]  # others are in another package

    def _imported_files(self, statements: list[ast.stmt]) -> list[Path]:
        """The files of the bases that the statements import: relative to this file, or of a package."""
        files = []
        for statement in ast.walk(ast.Module(statements, [])):
            if not isinstance(statement, ast.ImportFrom) or statement.module is None:
                continue
            folder, *names = '.', *statement.module.split('.')
            if statement.level:
                folder = str(self.file.parent.joinpath(*['..'] * (statement.level - 1)))
            else:
                package = find_spec(names.pop(0))
                folder = str(Path(package.origin).parent) if package and package.origin else folder
            files.append(Path(os.path.normpath(Path(folder, *names).with_suffix('.py'))))
        return [file for file in files if file.is_file()]


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


def _reads_base(statement: ast.stmt) -> bool:
    """Whether a statement is ``with read_base():``."""
    calls = [item.context_expr for item in statement.items] if isinstance(statement, ast.With) else []
    return any(isinstance(call, ast.Call) and getattr(call.func, 'id', None) == READ_BASE for call in calls)


def _imports_more(node: ast.AST) -> bool:
    """Whether a node imports a module that is not Python's own."""
    if isinstance(node, ast.ImportFrom):
        if node.module == 'mmengine' and [alias.name for alias in node.names] == ['Config']:
            return False  # as mmengine has it
        return node.level > 0 or str(node.module).split('.')[0] not in sys.stdlib_module_names
    names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
    return any(name.split('.')[0] not in sys.stdlib_module_names for name in names)


def _assignments(body: Sequence[ast.stmt]) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Yield targets and values of assignments, and of ``target.update(...)`` and ``target.merge(...)``."""
    for statement in body:
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                yield target, statement.value
        elif isinstance(call := getattr(statement, 'value', None), ast.Call) and isinstance(call.func, ast.Attribute):
            target = ast.Subscript(call.func.value, ast.Constant(ITSELF))
            settings = [*call.args[:1], *([_keywords(call)] if call.keywords else [])]
            yield from ((target, value) for value in settings if call.func.attr in ('update', 'merge'))
        for block in ('body', 'orelse'):
            yield from _assignments(getattr(statement, block, []))


def _keywords(call: ast.Call) -> ast.expr:
    """The keywords of a call as the expression ``dict(...)``."""
    return ast.copy_location(ast.Call(ast.Name('dict'), [], call.keywords), call)


def _subscripts(target: ast.expr) -> tuple[Any, ...] | None:
    """Return the keys of ``name['a'][0]`` or ``name.a[0]``, the name first."""
    keys: list[Any] = []
    while isinstance(target, ast.Subscript | ast.Attribute):
        if isinstance(target, ast.Attribute):
            keys.insert(0, target.attr)
        elif isinstance(target.slice, ast.Constant):
            keys.insert(0, target.slice.value)
        else:
            return None
        target = target.value
    keys = [key for key in keys if key != ITSELF]
    return (target.id, *keys) if isinstance(target, ast.Name) else None


def _dict_items(node: ast.expr) -> dict[Any, ast.expr] | None:
    """Return the items of ``dict(...)`` or ``{...}``, with key None for unpacked ones; None for other expressions."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == 'dict':
        items: dict[Any, ast.expr] = {keyword.arg: keyword.value for keyword in node.keywords}
        return {**dict.fromkeys([None] * len(node.args), node), **items}
    if isinstance(node, ast.Dict):
        keys = (key.value if isinstance(key, ast.Constant) else None for key in node.keys)
        return dict(zip(keys, node.values, strict=True))
    return None
