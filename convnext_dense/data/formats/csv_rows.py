"""Read CSV files row by row, so that messages can name lines and no row is lost."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ...errors import UserError
from .text_files import encoding_of

SEPARATORS = (',', ';', '\t')
"""Separators of cells; that which is most often in the first line counts."""
HEAD = 1 << 16
LONGEST_CELL = 1 << 24
"""Maximum number of characters of a cell; a polygon may have more than the 131,072 that Python allows."""
SEVERAL_LINES = 'a quote without an end, or a cell of several lines: correct it'
_NO_LETTER = re.compile(r'[^a-z0-9]')


def read_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the cells, without spaces around them, of each line that is not empty.

    Raises:
        UserError: if the file can't be read, is not text in UTF-8 or, with a byte order mark, UTF-16, or has a cell
            of several lines, which a quote without an end makes of all lines after it.
    """
    line = 0
    limit = csv.field_size_limit(LONGEST_CELL)
    try:
        with open(path, encoding=_encoding(path), newline='') as file:
            separator = _separator(file.readline(HEAD))
            file.seek(0)
            reader = csv.reader(file, delimiter=separator, strict=True)
            for cells in reader:
                if any('\n' in cell or '\r' in cell for cell in cells):
                    raise UserError(f'{path}:{line + 1}: {SEVERAL_LINES}')
                line = reader.line_num
                if any(cell.strip() for cell in cells):
                    yield line, [cell.strip() for cell in cells]
    except csv.Error as error:
        fault = SEVERAL_LINES if reader.line_num > line + 1 else f'not CSV ({error}): correct it'
        raise UserError(f'{path}:{line + 1}: {fault}') from None
    except UnicodeError:
        raise UserError(f'{path} is not text in UTF-8: save it in UTF-8') from None
    except OSError as error:
        raise UserError(f'{path} cannot be read ({error.strerror})') from None
    finally:
        csv.field_size_limit(limit)


def first_row(path: Path) -> list[str]:
    """Return the cells of the first line; none if it can't be read, or is longer than the names of columns are."""
    try:
        with open(path, 'rb') as file:
            if len(file.readline(HEAD)) == HEAD:  # such as a JSON file of a gigabyte in one line
                return []
        return next((cells for _, cells in read_rows(path)), [])
    except (OSError, UserError):
        return []


def column_key(name: str) -> str:
    """Return the letters and digits of a column's name in lowercase: ``xmin`` for ``X_Min``."""
    return _NO_LETTER.sub('', name.lower())


def find_columns(path: Path, header: Sequence[str]) -> Mapping[str, int]:
    """Return the places of columns by their keys; see :func:`column_key`.

    Raises:
        UserError: if two columns have the same name.
    """
    columns: dict[str, int] = {}
    for place, name in enumerate(header):
        if name and column_key(name) in columns:
            raise UserError(f'{path}: two columns are called {name}: rename one')
        columns[column_key(name)] = place
    return columns


def _encoding(path: Path) -> str:
    with open(path, 'rb') as file:
        return encoding_of(file.read(4))


def _separator(line: str) -> str:
    return max(SEPARATORS, key=line.count)
