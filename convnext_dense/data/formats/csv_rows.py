"""Read CSV files row by row, so that messages can name lines and no row is lost."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ...errors import UserError

SEPARATORS = (',', ';', '\t')
"""Separators of cells; that which is most often in the first line counts."""
UNICODE = ((codecs.BOM_UTF8, 'utf-8-sig'), (codecs.BOM_UTF16_LE, 'utf-16'), (codecs.BOM_UTF16_BE, 'utf-16'))
HEAD = 1 << 16
_NO_LETTER = re.compile(r'[^a-z0-9]')


def read_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the cells, without spaces around them, of each line that is not empty.

    Raises:
        UserError: if the file can't be read, is not text in UTF-8 or, with a byte order mark, UTF-16, or has a cell
            of several lines, which a quote without an end makes of all lines after it.
    """
    line = 0
    try:
        with open(path, encoding=_encoding(path), newline='') as file:
            separator = _separator(file.readline(HEAD))
            file.seek(0)
            reader = csv.reader(file, delimiter=separator)
            for cells in reader:
                if any('\n' in cell or '\r' in cell for cell in cells):
                    raise UserError(
                        f'{path}:{line + 1}: a quote without an end, or a cell of several lines: correct it'
                    )
                line = reader.line_num
                if any(cell.strip() for cell in cells):
                    yield line, [cell.strip() for cell in cells]
    except csv.Error as error:
        raise UserError(f'{path}:{line + 1}: not CSV ({error}): correct it') from None
    except UnicodeError:
        raise UserError(f'{path} is not text in UTF-8: save it in UTF-8') from None
    except OSError as error:
        raise UserError(f'{path} cannot be read ({error.strerror})') from None


def first_row(path: Path) -> list[str]:
    """Return the cells of the first line; none if it can't be read."""
    try:
        return next((cells for _, cells in read_rows(path)), [])
    except UserError:
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
        start = file.read(4)
    return next((encoding for mark, encoding in UNICODE if start.startswith(mark)), 'utf-8')


def _separator(line: str) -> str:
    return max(SEPARATORS, key=line.count)
