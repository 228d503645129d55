"""Parse the value of a ``KEY=VALUE`` on the command line. Imports neither torch nor mmengine.

Values are those of mmengine's ``DictAction``, and more of Python's: ``dict(...)``, ``{...}``, and quotes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

OPENING, CLOSING = '([{', ')]}'
QUOTES = '\'"'
DICT_CALL = re.compile(r'dict\s*\(')
CALL = re.compile(r'[^\s()\[\]{},=:\'"]*\(')
WORDS = {'true': True, 'false': False}


def parse_value(text: str) -> Any:
    """Parse a value.

    - ``1``, ``1e-3``, ``true``, ``None``: a number, a boolean (in any case), None.
    - ``[1,2]``, ``(1,2)``, ``1,2``: a list, a tuple, a list.
    - ``dict(type=SGD, lr=0.1)``, ``{'a': 1}``, ``{a: 1}``: a dict. All may be nested.
    - anything else is text, as is everything in quotes: ``data/my images``, ``'1'``. As in mmengine, a list, tuple or
      dict may itself be in quotes.

    Raises:
        ValueError: with a description, for brackets or quotes that do not match, or a call of anything but ``dict``.
    """
    text = text.strip()
    if len(text) > 2 and text[0] in QUOTES and text[-1] == text[0] and text[1] in OPENING:
        text = text[1:-1].strip()
    if not text:
        return ''
    if text[0] not in OPENING + QUOTES and ',' not in text and not DICT_CALL.match(text):
        return _scalar(text)  # such as a path with brackets in it
    parser = _Parser(text)
    first = parser.value(',')
    if parser.at_end():
        return first
    values = [first]
    while parser.take(',') and not parser.at_end():
        values.append(parser.value(','))
    if not parser.at_end():
        raise parser.error()
    return values


class _Parser:
    """A parser of nested values."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0

    def value(self, ends: str) -> Any:
        """Parse a value that ends before one of these characters, or at the end of the text."""
        self._skip_spaces()
        start = self.text[self.place : self.place + 1]
        if start == '[':
            return self._items(']')
        if start == '(':
            return tuple(self._items(')'))
        if start == '{':
            return self._pairs(':', '}')
        if start and start in QUOTES:
            return self._quoted()
        if match := DICT_CALL.match(self.text, self.place):
            self.place = match.end() - 1
            return self._pairs('=', ')')
        if match := CALL.match(self.text, self.place):
            raise ValueError(f'only dict(...) can be called, not {match[0]}...): put text in quotes')
        return _scalar(self._bare(ends))

    def take(self, character: str) -> bool:
        """Skip this character, if it is the next one after spaces."""
        self._skip_spaces()
        found = self.text[self.place : self.place + 1] == character
        self.place += found
        return found

    def at_end(self) -> bool:
        self._skip_spaces()
        return self.place == len(self.text)

    def error(self) -> ValueError:
        """The error for what is at this place."""
        if self.at_end() or self.text[self.place] in OPENING + CLOSING:
            return ValueError('its brackets do not match')
        return ValueError(f'{self.text[self.place :]!r} is not expected there')

    def _items(self, closing: str) -> list[Any]:
        return self._separated(closing, lambda: self.value(f',{closing}'))

    def _pairs(self, separator: str, closing: str) -> dict[Any, Any]:
        def pair() -> tuple[Any, Any]:
            key = self.value(f',{separator}{closing}')
            if not self.take(separator):
                raise self.error() if self.at_end() else ValueError(f'{key!r} has no value')
            if isinstance(key, dict | list):
                raise ValueError(f'{key!r} can be no key')
            return key, self.value(f',{closing}')

        return dict(self._separated(closing, pair))

    def _separated(self, closing: str, parse: Callable[[], Any]) -> list[Any]:
        self.place += 1
        found: list[Any] = []
        while not self.take(closing):
            if found and not self.take(','):
                raise self.error()
            if self.take(closing):
                break
            found.append(parse())
        return found

    def _quoted(self) -> str:
        end = self.text.find(self.text[self.place], self.place + 1)
        if end < 0:
            raise ValueError('its quotes do not match')
        found = self.text[self.place + 1 : end]
        self.place = end + 1
        return found

    def _bare(self, ends: str) -> str:
        """Take the text up to one of these characters or a bracket that nothing opened."""
        begin, depth = self.place, 0
        while self.place < len(self.text):
            character = self.text[self.place]
            if depth == 0 and character in ends + CLOSING:
                break
            depth += (character in OPENING) - (character in CLOSING)
            self.place += 1
        if depth:
            raise ValueError('its brackets do not match')
        found = self.text[begin : self.place].strip()
        if not found:
            raise self.error() if self.at_end() else ValueError(f'a value is missing before {self.text[self.place]!r}')
        return found

    def _skip_spaces(self) -> None:
        while self.place < len(self.text) and self.text[self.place].isspace():
            self.place += 1


def _scalar(text: str) -> Any:
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            pass
    return None if text == 'None' else WORDS.get(text.lower(), text)
