"""Read XML files of annotations element by element, with the lines where they stand.

Document types and entities are refused: they can expand to gigabytes, or read other files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from ...errors import UserError

CHUNK = 1 << 20
FORBIDDEN = (
    'defines a document type or entities, which are not read, since they may expand to gigabytes or read other files: '
    'remove its <!DOCTYPE>'
)


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


def iterate_xml(path: Path, root: str) -> Iterator[Element]:
    """Yield the children of a file's root element, each when it has been read.

    Args:
        path: the file.
        root: the tag that the root element must have.

    Raises:
        UserError: if the file can't be read, is not XML, has another root element, or defines a document type or
            entities.
    """
    target = _Target()
    parser = DefusedXMLParser(target=target, forbid_dtd=True)
    target.parser = parser
    try:
        with open(path, 'rb') as file:
            while chunk := file.read(CHUNK):
                parser.feed(chunk)
                if target.root is not None and target.root.tag != root:
                    raise UserError(f'{path} is of <{target.root.tag}> rather than <{root}>')
                yield from target.complete
                target.complete.clear()
            parser.close()
    except OSError as error:
        raise UserError(f'{path} cannot be read ({error.strerror})') from None
    except DefusedXmlException:
        raise UserError(f'{path} {FORBIDDEN}') from None
    except UserError:
        raise
    except (SyntaxError, LookupError, ValueError) as error:  # the last two: an encoding that is not known
        raise UserError(f'{path} is not XML ({error}): get or write the file again') from None
    if target.root is None or target.root.tag != root:
        raise UserError(f'{path} is not XML of <{root}>: get or write the file again')
    yield from target.complete
