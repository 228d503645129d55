"""Read a list at the top level of a large JSON file without parsing the rest."""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHUNK = 1 << 24  # bytes that are scanned at a time
_VALUE = re.compile(rb'\s*:')
_LIST_VALUE = re.compile(rb'\s*:\s*\[')
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_ESCAPED = re.compile(rb'\\.', re.DOTALL)
_QUOTED = re.compile(rb'"[^"]*"')
_BACKSLASH = 0x5C
_STRUCTURE = b'"\\[]{}'
_OTHER_BYTES = bytes(set(range(256)) - set(_STRUCTURE))


def iterate_list(path: Path, key: str) -> Iterator[Any]:
    """Yield the items of a top-level list of objects, each parsed when it is reached.

    Only a key of the outermost object counts: not one in a nested object, and not its name inside a string. As in
    Python's ``json``, the last one counts if a key is repeated.

    Args:
        path: a file of an object in UTF-8.
        key: name of the list.

    Raises:
        LookupError: if there is no such list; the file may still have it if it is not in UTF-8.
        OSError: if the file can't be read.
        ValueError: if it is empty or an item is not JSON.
    """
    with open(path, 'rb') as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        start = _find_list(text, key)
        if start is None:
            raise LookupError(f'{path} has no list {key!r}')
        yield from _objects(text, start)


def _find_list(text: mmap.mmap, key: str) -> int | None:
    """Return the offset after the opening bracket of a top-level list, or None.

    All places where the key stands in quotes are searched; the brackets before each tell whether it is at the top
    level. Counting them takes a fraction of the time of parsing.
    """
    name = b'"' + key.encode() + b'"'
    depth, quoted, position, found = 0, False, 0, None
    place = text.find(name)
    while place >= 0:
        list_follows = _LIST_VALUE.match(text, place + len(name))
        if text[place - 1 : place] != b'\\' and _VALUE.match(text, place + len(name)):
            while position < place:
                end = min(position + CHUNK, place)
                while end < place and text[end - 1] == _BACKSLASH:  # the next character belongs to it
                    end += 1
                deeper, quoted = _count_depth(text[position:end], quoted)
                depth, position = depth + deeper, end
            if depth == 1 and not quoted:
                found = list_follows.end() if list_follows else None
        place = text.find(name, place + 1)
    return found


def _count_depth(part: bytes, quoted: bool) -> tuple[int, bool]:
    """Count opening minus closing brackets outside strings.

    Args:
        part: a part of a JSON text that does not begin after a backslash of a string.
        quoted: True if it begins inside a string.

    Returns:
        The count, and True if the part ends inside a string.
    """
    structure = part.translate(None, _OTHER_BYTES) if b'\\' not in part else _without_escapes(part)
    if quoted:
        structure = b'"' + structure
    structure = structure.replace(b'""', b'')  # most strings, whose content is left out; or two, one after the other
    structure = _QUOTED.sub(b'', structure)
    before, quote, _ = structure.partition(b'"')
    opening = before.count(b'[') + before.count(b'{')
    return opening - before.count(b']') - before.count(b'}'), bool(quote)


def _without_escapes(part: bytes) -> bytes:
    return _ESCAPED.sub(b'', part).translate(None, _OTHER_BYTES)


def _objects(text: mmap.mmap, start: int) -> Iterator[Any]:
    """Yield the objects of a list that begins at an offset."""
    depth = begin = 0
    for token in _TOKEN.finditer(text, start):
        if token[0] in b'{[':
            if depth == 0:
                begin = token.start()
            depth += 1
        elif token[0] in b'}]':
            depth -= 1
            if depth < 0:
                return
            if depth == 0:
                yield json.loads(text[begin : token.end()])
    raise ValueError('the list has no end')
