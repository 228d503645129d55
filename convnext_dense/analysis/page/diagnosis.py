"""Diagnoses as the page reads them: whatever is there is taken, and what is broken is said."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..diagnosis_file import find_diagnosis


@dataclass
class ReadDiagnosis:
    """A diagnosis with plain values for what it lacks.

    Attributes:
        file: its file; None if there is none.
        content: all of it, as :class:`~convnext_dense.diagnosis.content.Diagnosis` in JSON.
        images: its images, in order.
        problems: what cannot be used, in one line each.
    """

    file: Path | None = None
    content: dict[str, Any] = field(default_factory=dict)
    images: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def get(self, key: str, default: Any) -> Any:
        """Return a value of the content if it is of the type of the default."""
        value = self.content.get(key)
        return value if isinstance(value, type(default)) else default


def read(run: Path) -> ReadDiagnosis:
    """Read the diagnosis of a run, of which parts may be broken or absent."""
    file = find_diagnosis(run)
    if file is None:
        return ReadDiagnosis()
    found = ReadDiagnosis(file)
    try:
        content = json.loads(file.read_text(encoding='utf-8'))
        if not isinstance(content, dict):
            raise ValueError('it is no object')
    except (OSError, ValueError) as error:
        found.problems.append(f'`{file}` cannot be read ({_short(error)}): diagnose the run again.')
        return found
    found.content = content
    checks: Mapping[str, Callable[[Any], bool]] = {
        'headlines': lambda one: isinstance(one['name'], str) and _is_number(one['value']),
        'steps': lambda one: isinstance(one['advice'], str) and isinstance(one['reason'], str),
        'sections': lambda one: isinstance(one['id'], str) and isinstance(one['title'], str),
        'images': lambda one: isinstance(one['path'], str) and isinstance(one['file'], str),
    }
    for key, is_whole in checks.items():
        entries = content.get(key)
        whole = [one for one in entries if _holds(is_whole, one)] if isinstance(entries, list) else []
        lost = len(entries) - len(whole) if isinstance(entries, list) else 1
        if lost:
            found.problems.append(f'`{file}` has {key} that cannot be read: they are left out.')
        content[key] = whole
    content['sections'] = [_with_blocks(section) for section in _unique(content['sections'])]
    found.images = content.pop('images')
    return found


def _holds(is_whole: Callable[[Any], bool], entry: Any) -> bool:
    try:
        return is_whole(entry)
    except (KeyError, TypeError, IndexError):
        return False


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _with_blocks(section: dict[str, Any]) -> dict[str, Any]:
    blocks = section.get('blocks')
    whole = [one for one in blocks if isinstance(one, dict) and 'kind' in one] if isinstance(blocks, list) else []
    return {'id': section['id'], 'title': section['title'], 'lead': str(section.get('lead') or ''), 'blocks': whole}


RESERVED = {'results', 'next', 'curves', 'per-class', 'predictions', 'setup', 'main', 'contents', 'menu', 'theme'}
"""Ids of the page's own sections and elements."""


def _unique(sections: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give sections whose ids are taken others, since links lead to ids."""
    taken = set(RESERVED)
    found = []
    for section in sections:
        name, number = section['id'], 2
        while name in taken or not name:
            name, number = f'{section["id"] or "section"}-{number}', number + 1
        taken.add(name)
        found.append({**section, 'id': name})
    return found


def _short(error: Exception) -> str:
    return str(error).partition('\n')[0][:120]
