"""Read text files of users: their encoding, and YAML without surprises."""

from __future__ import annotations

import codecs
import os
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from ...errors import NoData, UserError, last_line

ENCODINGS = {codecs.BOM_UTF8: 'utf-8-sig', codecs.BOM_UTF16_LE: 'utf-16', codecs.BOM_UTF16_BE: 'utf-16'}
"""Encodings by the mark that a file begins with."""


def read_bytes(path: Path) -> bytes:
    """Read a file.

    Raises:
        NoData: if there is none.
        UserError: if it can't be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise NoData(f'{path} does not exist') from None
    except OSError as error:
        raise UserError(f'{path} cannot be read ({error.strerror})') from None


def first_line(path: str | Path) -> bytes:
    """Return the beginning of the first line of a file that is not empty, of its first ten; none if there is none."""
    try:
        with open(path, 'rb') as content:
            return next((line for line in islice(content, 10) if line.strip()), b'')[:10_000]
    except OSError:
        return b''


def list_names(folder: str | Path) -> list[str]:
    """List the names in a folder, sorted.

    Raises:
        UserError: if it can't be read.
    """
    try:
        return sorted(os.listdir(folder))
    except OSError as error:
        raise UserError(f'folder {folder} cannot be read ({error.strerror}): allow it, or move it away') from None


def read_text(path: Path) -> str:
    """Read a text file in UTF-8, or in UTF-16 with a byte order mark.

    Raises:
        UserError: for any other encoding, and for what is not text.
    """
    return decode(read_bytes(path), path)


def read_lines(path: Path) -> list[str]:
    """Read the lines of a text file that aren't empty, without spaces around them; see :func:`read_text`."""
    return [line for line in map(str.strip, read_text(path).splitlines()) if line]


def encoding_of(start: bytes) -> str:
    """Return the encoding of a text file by its first bytes: UTF-8 if it has no byte order mark."""
    return next((name for mark, name in ENCODINGS.items() if start.startswith(mark)), 'utf-8')


def decode(content: bytes, path: str | Path) -> str:
    """Decode the content of a text file; see :func:`read_text`."""
    try:
        text = content.decode(encoding_of(content))
    except UnicodeDecodeError:
        raise UserError(f'{path} is not text in UTF-8: save it in UTF-8') from None
    if '\0' in text:
        raise UserError(f'{path} is not text: it holds zero bytes')
    return text


def read_yaml(path: Path) -> Any:
    """Read a YAML file: mappings, lists, and text, also of numbers: a class ``no`` is not False, and ``1.0`` not 1.

    Raises:
        UserError: if the file is not YAML, has a key twice, anchors or aliases, or tags that would run code.
    """
    try:
        return yaml.load(read_text(path), _TextLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f':{mark.line + 1}' if mark else ''
        raise UserError(
            f'{path}{line} is not plain YAML ({" ".join(str(error.problem).split())}): correct it'
        ) from None
    except UserError:
        raise
    except Exception as error:  # what PyYAML raises for broken values and for deep nesting
        raise UserError(f'{path} is not plain YAML ({last_line(error)}): correct it') from None


class _TextLoader(yaml.SafeLoader):
    """Loader of plain YAML whose scalars are text."""

    yaml_implicit_resolvers: dict = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if getattr(event, 'anchor', None) is not None:  # of an alias, too; a few lines may stand for gigabytes
            problem = f'&{event.anchor[:40]}, by which a value is used in several places, is not read'
            raise yaml.composer.ComposerError(None, None, problem, event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict:
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f'{key.value} is given twice', key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)
