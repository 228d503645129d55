"""Random mutations of files of annotations, and the count of the objects that are read from them."""

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from convnext_dense.data.detection.coco import CocoData, read_coco
from convnext_dense.data.formats.base import Format
from convnext_dense.errors import UserError

VALUES: list[Any] = [None, True, False, 0, 1, -1, 2, 7, 1.5, -7.25, 1e9, 1e308, 10**400, 2**40]
VALUES += [float('nan'), float('inf'), '', '0', '1', 'x', 'nan', 'true', 'a' * 300, '\0', '../..', 'é']
VALUES += [[], {}, [[]], [1, 2], [[1, 2]], {'a': 1}]
"""Values of any type in place of the right one."""
TEXTS = ['', '0', '1', '-1', '0.5', '1e9', 'nan', 'inf', '-inf', 'x', '1_0', '1' * 500, 'é']
TEXTS += ['"', '\n', '\0', ',', ';', ' ', '\r', '[', ']']
"""Texts at any place in a text file."""


def mutate_json(content: Any, random: Random) -> Any:
    """Change, remove, double or shuffle a part of the content of a JSON file."""
    spots = list(_spots(content))
    if not spots:
        return random.choice(VALUES)
    parent, key = random.choice(spots)
    action = random.randrange(5)
    if action == 0:
        del parent[key]
    elif action == 1 and isinstance(parent, list):
        parent.insert(key, parent[key])
    elif action == 2:
        parent[key] = str(parent[key])
    elif action == 3:
        other, place = random.choice(spots)
        try:
            parent[key] = json.loads(json.dumps(other[place]))  # of another place
        except (IndexError, KeyError):
            parent[key] = None
    else:
        parent[key] = random.choice(VALUES)
    return content


def mutate_text(text: str, random: Random) -> str:
    """Change, remove, double, cut or insert a part of a text."""
    action = random.randrange(6)
    lines = text.splitlines(keepends=True)
    number = random.randrange(len(lines)) if lines else 0
    start = random.randrange(len(text) + 1)
    if action == 0:
        return ''.join(lines[:number] + lines[number + 1 :])
    if action == 1:
        return ''.join(lines[: number + 1] + lines[number:])
    if action == 2:
        return text[:start]
    if action == 3:
        return text[:start] + random.choice(TEXTS) + text[start:]
    if action == 4:
        return text[:start] + text[start + random.randrange(1, 8) :]
    fields = lines[number].split(',') if lines else ['']
    fields[random.randrange(len(fields))] = random.choice(TEXTS)
    return ''.join(lines[:number] + [','.join(fields)] + lines[number + 1 :])


def read_all(form: Format, root: Path) -> tuple[list[CocoData], str]:
    """Read all splits of a data set, or return the error of one line."""
    try:
        sources = form.find(root) or {}
        read = []
        for source in sources.values():
            assert form.read_categories(source)
            read.append(read_coco(source))
            used = sum(map(len, read[-1].annotations.values()))
            assert used + count(read[-1], 'annotation', 'dropped', 'left out: equal') == read[-1].total
        return read, ''
    except UserError as error:
        assert '\n' not in str(error) and str(error).strip()
        return [], str(error)


def count(coco: CocoData, part: str, *messages: str) -> int:
    """Count the parts that faults with these beginnings name."""
    return sum(len(fault.ids) for fault in coco.faults if fault.part == part and fault.message.startswith(messages))


def damage(path: Path, random: Random, mutate: Callable[[str, Random], str]) -> None:
    """Change the text of a file, or now and then its bytes."""
    content = path.read_bytes()
    if random.random() < 0.1 and content:
        place = random.randrange(len(content))
        path.write_bytes(content[:place] + bytes([random.randrange(256)]) + content[place + 1 :])
    else:
        path.write_text(mutate(content.decode('utf-8', 'replace'), random), 'utf-8', 'replace', '')


def _spots(content: Any) -> Any:
    if isinstance(content, dict | list):
        for key in content if isinstance(content, dict) else range(len(content)):
            yield content, key
            yield from _spots(content[key])
