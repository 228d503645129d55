"""The data in a report page, read as a browser would: the JSON of its script elements."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any


class _Blocks(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, Any] = {}
        self._id: str | None = None
        self._text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == 'script' and given.get('type') == 'application/json':
            self._id, self._text = given['id'], []

    def handle_data(self, data: str) -> None:
        if self._id:
            self._text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == 'script' and self._id:
            assert self._id not in self.found
            self.found[self._id] = json.loads(''.join(self._text))
            self._id = None


def page_data(text: str | Path) -> dict[str, Any]:
    """Return the data of a page by the ids of its script elements, from its HTML or its file."""
    parser = _Blocks()
    parser.feed(text.read_text(encoding='utf-8') if isinstance(text, Path) else text)
    parser.close()
    return parser.found
