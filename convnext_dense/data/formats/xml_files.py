"""Read XML files of annotations, as a whole or element by element, with the lines where they stand.

Document types and entities are refused: they can expand to gigabytes, or read other files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from ...errors import UserError

CHUNK = 1 << 20
DECLARED = re.compile(rb'\s*<\?xml[^>]*encoding\s*=\s*["\']([\w.-]+)["\']')


@dataclass
class Element:
    """An element of an XML file."""

    tag: str
    attributes: dict[str, str]
    line: int
    """The number of the line where it begins, from 1."""
    text: str = ''
    """Its text before the first child."""
    children: list[Element] = field(default_factory=list)

    def find_all(self, *path: str) -> Iterator[Element]:
        """Yield the elements at a path of tags."""
        if not path:
            yield self
            return
        for child in self.children:
            if child.tag == path[0]:
                yield from child.find_all(*path[1:])

    def text_at(self, *path: str) -> str:
        """Return the text of the first element at a path of tags, without spaces around; empty if there is none."""
        return next((element.text.strip() for element in self.find_all(*path)), '')

    def below(self) -> Iterator[Element]:
        """Yield all elements in it, at any depth."""
        waiting = list(self.children)
        while waiting:
            element = waiting.pop()
            yield element
            waiting += element.children


class _Target:
    """Receives what a parser reads, and keeps the children of the root until they are taken."""

    def __init__(self) -> None:
        self.root: Element | None = None
        self.complete: list[Element] = []
        self._open: list[Element] = []
        self.parser: DefusedXMLParser | None = None

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        assert self.parser is not None
        element = Element(tag, dict(attributes), self.parser.parser.CurrentLineNumber)
        if len(self._open) > 1:
            self._open[-1].children.append(element)
        self.root = self.root or element
        self._open.append(element)

    def end(self, tag: str) -> None:
        element = self._open.pop()
        if len(self._open) == 1:
            self.complete.append(element)

    def data(self, data: str) -> None:
        if self._open and not self._open[-1].children:
            self._open[-1].text += data

    def close(self) -> None:
        pass


def read_xml(content: bytes, path: str | Path) -> Element:
    """Return the root element of a file, with all that is in it.

    Args:
        content: the file.
        path: its path, for messages.

    Raises:
        UserError: if the file is not XML, or defines a document type or entities.
    """
    target = _Target()
    children = list(_parse([_decoded(content)], path, target))
    assert target.root is not None
    target.root.children = children
    return target.root


def iterate_xml(path: Path, root: str) -> Iterator[Element]:
    """Yield the children of a file's root element, each when it has been read.

    Args:
        path: the file.
        root: the tag that the root element must have.

    Raises:
        UserError: if the file can't be read, is not XML, has another root element, or defines a document type or
            entities.
    """
    try:
        with open(path, 'rb') as file:
            yield from _parse(iter(lambda: file.read(CHUNK), b''), path, _Target(), root)
    except OSError as error:
        raise UserError(f'{path} cannot be read ({error.strerror})') from None


def _parse(
    chunks: Iterable[bytes | str], path: str | Path, target: _Target, root: str | None = None
) -> Iterator[Element]:
    target.parser = parser = DefusedXMLParser(target=target, forbid_dtd=True)
    try:
        for chunk in chunks:
            parser.feed(chunk)
            if target.root is not None and root not in (None, target.root.tag):
                raise UserError(f'{path} is of <{target.root.tag[:40]}> rather than <{root}>')
            yield from target.complete
            target.complete.clear()
        parser.close()
    except DefusedXmlException:
        raise UserError(
            f'{path} defines a document type or entities, which are not read, since they may expand to gigabytes or '
            'read other files: remove its <!DOCTYPE>'
        ) from None
    except UserError:
        raise
    except (SyntaxError, LookupError, ValueError) as error:  # the last two: an encoding that is not known
        raise UserError(f'{path} is not XML ({error}): get or write the file again, in UTF-8') from None
    yield from target.complete


def _decoded(content: bytes) -> bytes | str:
    """Decode an encoding with several bytes for a character, such as GBK, which the parser does not know."""
    declared = DECLARED.match(content)
    if declared is None:
        return content
    name = declared[1].decode()
    try:
        is_known = name.lower().startswith('utf') or len(bytes(range(256)).decode(name, 'replace')) == 256
        return content if is_known else content.decode(name)
    except (LookupError, ValueError):  # which the parser tells
        return content
