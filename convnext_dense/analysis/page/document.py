"""The page as an HTML document: the frame, and the data as JSON in script elements that no script runs."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from ...version import __version__
from . import assets


class Block(NamedTuple):
    """A part of the page's data.

    Attributes:
        id: the id of its script element.
        content: what JSON can hold.
    """

    id: str
    content: Any


def render(title: str, blocks: Iterable[Block], with_files: bool = False) -> Iterator[str]:
    """Render a page in parts, so that pages with many images need little memory.

    Args:
        title: its title.
        blocks: its data.
        with_files: whether images are files beside the page.

    Yields:
        Pieces of HTML, in order.
    """
    before, after = assets.template().split('{data}')
    fields = {
        'title': html.escape(title),
        'policy': html.escape(assets.policy(with_files)),
        'generator': html.escape(f'convnext_dense {__version__}'),
        'made': f'made {datetime.now():%Y-%m-%d %H:%M} by convnext_dense {html.escape(__version__)}',
        'style': assets.style(),
        'theme': assets.theme_script(),
        'charts': assets.chart_library(),
        'script': assets.script(),
    }
    yield _filled(before, fields)
    for block in blocks:
        head = f'<script type="application/json" id="{html.escape(block.id)}">'
        yield f'{head}{embeddable_json(block.content)}</script>\n'
    yield _filled(after, fields)


def embeddable_json(content: Any) -> str:
    """Return JSON that can stand in a script element: it has no ``<``, and null for numbers that are not finite."""
    text = json.dumps(without_nan(content), ensure_ascii=False, separators=(',', ':'), allow_nan=False)
    text = text.replace('<', '\\u003c').replace('\u2028', '\\u2028').replace('\u2029', '\\u2029')
    return text.encode('utf-8', 'backslashreplace').decode()  # bytes of a path that are not text


def without_nan(value: Any) -> Any:
    """Replace numbers that are not finite by None, in nested containers."""
    if isinstance(value, dict):
        return {str(key): without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _filled(text: str, fields: dict[str, str]) -> str:
    """Put the fields in, in one pass: what a field holds is not searched for other fields."""
    pieces: list[str] = []
    while True:
        found = min(((text.find(f'{{{key}}}'), key) for key in fields if f'{{{key}}}' in text), default=None)
        if found is None:
            return ''.join([*pieces, text])
        at, key = found
        pieces += [text[:at], fields[key]]
        text = text[at + len(key) + 2 :]
