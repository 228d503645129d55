"""The text of an adapted config, in the form of those that this project ships."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator
from keyword import iskeyword
from typing import TYPE_CHECKING, Any

from ..errors import UserError
from ..version import __version__
from .shipped import version_of

if TYPE_CHECKING:
    from . import Adapted

WIDTH = 119
LONG = 40
"""Characters above which a value is long: only then it is written once for two keys, or has a line of its own."""
MANY = 5
"""Short items of a list above which several share a line."""
BASE, DELETE = '_base_', '_delete_'


def config_text(adapted: Adapted, command: str = 'convnext-dense train FILE.py --data PATH') -> str:
    """Return an adapted config as the text of a Python file.

    A comment says what it was made of, what was changed and what is left to decide. What the files in ``_base_`` have
    already is left out, and what two keys have is written once. Reading the file gives the config on its bases.

    Args:
        adapted: the config.
        command: the command that trains with it, for the comment.

    Raises:
        UserError: if it holds something that has no text, such as an object.
    """
    return f'{_header(adapted, command)}{settings_text(without_inherited(adapted.config))}'


def without_inherited(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config without the values that the packaged files in its ``_base_`` have already."""
    from ..config.file import parse_file
    from ..config.find import find_base

    bases = config.get(BASE, [])
    inherited: dict[str, Any] = {}
    for name in [bases] if isinstance(bases, str) else bases:
        if (file := find_base(name, name)) is not None:
            inherited.update(parse_file(file).to_dict())
    return _without(config, inherited)


def settings_text(config: dict[str, Any]) -> str:
    """Return settings as Python assignments, formatted like the packaged configs.

    Raises:
        UserError: if a value has no text; it names the keys.
    """
    blocks, known = [], dict[str, str]()
    for key, value in config.items():
        text = _inline(value, key)
        if text in known and len(text) > LONG and isinstance(value, dict | list | tuple):
            lines = [f'{key} = {known[text]}']
        elif key == BASE and isinstance(value, list) and len(value) > 1:
            lines = [f'{key} = [', *(f'    {_inline(item, key)},' for item in value), ']']
        else:
            lines = list(_layout(f'{key} = ', value, '', 0, key))
        known.setdefault(text, key)
        blocks.append(lines)
    text, before = '', 0
    for lines in blocks:
        text += '\n' * (before > 1 or before < len(lines) > 1) + '\n'.join(lines) + '\n'
        before = len(lines)
    return text.lstrip('\n')


def _header(adapted: Adapted, command: str) -> str:
    source, notes = adapted.source, adapted.notes
    lines = [
        f'{source.name} ({source.package} {version_of(source.package)}) on {adapted.arch.title}, by '
        f'`convnext-dense adapt` {__version__}.',
        f'  {command}',
    ]
    for title, items in (('Changed:', notes.changed), ('Left to decide:', notes.undecided)):
        lines += ['', title, *(f'- {item}' for item in items)] if items else []
    return ''.join(f'{line}\n' for text in lines for line in _comment(text))


def _comment(text: str) -> list[str]:
    wrapped = textwrap.wrap(
        text,
        WIDTH,
        initial_indent='# ',
        subsequent_indent='#   ' if text.startswith('- ') else '# ',
        break_long_words=False,
        break_on_hyphens=False,
    )
    return wrapped or ['#']


def _without(config: dict[str, Any], inherited: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is in ``inherited``; dicts are merged with it when the file is read."""
    kept = {}
    for key, value in config.items():
        base = inherited.get(key)
        if key in inherited and _inline(value, key) == _inline(base, key):
            continue
        if isinstance(value, dict) and isinstance(base, dict) and DELETE not in value:
            value = _without(value, base)
            if not value:
                continue
        kept[key] = value
    return kept


def _layout(prefix: str, value: Any, suffix: str, indent: int, keys: str) -> Iterator[str]:
    """Yield the lines of a value: one if it fits, else its items in one, in rows of many, or each in its own."""
    margin, inner = ' ' * indent, ' ' * (indent + 4)
    line = f'{margin}{prefix}{_inline(value, keys)}{suffix}'
    if len(line) <= WIDTH or not isinstance(value, dict | list | tuple) or not value:
        yield line
        return
    opening, items, closing = _parts(value, keys)
    body = inner + ', '.join(f'{name}{_inline(item, path)}' for name, item, path in items)
    yield f'{margin}{prefix}{opening}'
    if opening == 'dict(' and len(body) <= WIDTH:
        yield body
    elif isinstance(value, list | tuple) and len(value) > MANY and all(map(_is_short, value)):
        yield from (f'{inner}{row},' for row in _rows([_inline(*item[1:]) for item in items], WIDTH - len(inner) - 1))
    else:
        for name, item, path in items:
            yield from _layout(name, item, ',', indent + 4, path)
    yield f'{margin}{closing}{suffix}'


def _rows(texts: list[str], width: int) -> Iterator[str]:
    """Yield items of a list as rows ``*(a, b, c)`` that fill the width; a last one alone is as it is."""
    row: list[str] = []
    for text in texts:
        if row and len(', '.join([*row, text])) + len('*()') > width:
            yield f'*({", ".join(row)})'
            row = []
        row.append(text)
    yield row[0] if len(row) == 1 else f'*({", ".join(row)})'


def _is_short(item: Any) -> bool:
    if isinstance(item, list | tuple):
        return all(not isinstance(part, dict | list | tuple) for part in item) and len(_inline(item, '')) <= LONG
    return not isinstance(item, dict) and len(_inline(item, '')) <= LONG


def _inline(value: Any, keys: str) -> str:
    """Return a value in one line."""
    if isinstance(value, dict | list | tuple):
        opening, items, closing = _parts(value, keys)
        comma = ',' if isinstance(value, tuple) and len(value) == 1 else ''
        return opening + ', '.join(f'{name}{_inline(item, path)}' for name, item, path in items) + comma + closing
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, str):
        return repr(str(value)).replace('{{', r'{\x7b')  # which mmengine would replace
    if value is None or isinstance(value, bool | int | bytes | range):
        return repr(value)
    raise UserError(f'{keys} is {value!r} ({type(value).__name__}), which cannot be written into a config')


def _parts(value: dict | list | tuple, keys: str) -> tuple[str, list[tuple[str, Any, str]], str]:
    """Return opening, items and closing of a container; an item is what stands before it, its value and its keys."""
    if isinstance(value, dict):
        named = bool(value) and all(map(_is_name, value))
        names = [f'{key}=' if named else f'{_inline(key, keys)}: ' for key in value]
        items = [(name, item, f'{keys}.{key}') for name, (key, item) in zip(names, value.items(), strict=True)]
        return ('dict(', items, ')') if named else ('{', items, '}')
    items = [('', item, f'{keys}.{index}') for index, item in enumerate(value)]
    return ('[', items, ']') if isinstance(value, list) else ('(', items, ')')


def _is_name(key: Any) -> bool:
    return isinstance(key, str) and key.isidentifier() and not iskeyword(key)


def _number(value: float) -> str:
    """Return a float as people write it: 0.05, 1e-4, 1e8."""
    if not math.isfinite(value):
        return f"float('{value}')"
    if value == 0 or 1e-3 <= abs(value) < 1e6:
        return repr(value)
    shortest = next(one for precision in range(17) if float(one := f'{value:.{precision}e}') == value)
    digits, _, exponent = shortest.partition('e')
    return f'{digits}e{int(exponent)}'
