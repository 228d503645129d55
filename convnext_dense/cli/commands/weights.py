"""List the catalog of published weights."""

from __future__ import annotations

import argparse
import difflib
import json
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ...errors import UserError
from ...weights.catalog import entries
from ...weights.entries import Entry
from ...weights.fetch import cached_file
from ...weights.licenses import LICENSES, allows_commercial_use, describe_license
from ...weights.names import near_names

COLUMNS = ('', 'name', 'arch', 'data', 'pixels', 'normalization', 'license', 'commercial', 'params', 'MB', 'published')
WIDE = 150  # columns of the terminal from which on an entry has one line
PIPE_WIDTH = 220


def run(args: argparse.Namespace) -> None:
    known = list(entries())
    fitting = [entry for entry in known if args.pattern is None or fits(entry, args.pattern)]
    found = [entry for entry in fitting if not args.commercial or allows_commercial_use(entry.license)]
    if not fitting:
        near = _near(args.pattern, known)
        hint = f'did you mean {" or ".join(near)}?' if near else '`convnext-dense weights` lists all'
        raise UserError(f'no weights fit {args.pattern!r}: {hint}')
    if not found:
        licenses = ' and '.join(sorted({describe_license(entry.license) for entry in fitting if entry.license}))
        raise UserError(f'no weights that fit {args.pattern!r} are known to allow commercial use: {licenses}')
    if args.json:
        print(json.dumps([_as_json(entry) for entry in found], indent=1))
        return
    console = Console()
    width = console.width if console.is_terminal else PIPE_WIDTH
    (show_table if width >= WIDE else show_lines)(found, Console(width=width, highlight=False))


def fits(entry: Entry, pattern: str) -> bool:
    """Whether what an entry says has the pattern as a part, or one of its texts fits it as a glob."""
    wanted = pattern.lower()
    license = LICENSES[entry.license].title if entry.license in LICENSES else ''
    texts = (entry.name, _arch(entry), entry.arch, entry.data, entry.license or '', license, entry.origin)
    lower = [text.lower() for text in texts]
    if any(sign in wanted for sign in '*?['):
        return any(fnmatchcase(text, wanted) for text in lower)
    return any(wanted in text for text in lower)


def show_table(found: Sequence[Entry], console: Console) -> None:
    """Print a line for each entry."""
    table = Table(box=None, pad_edge=False)
    for column in COLUMNS:
        right = column in ('pixels', 'params', 'MB')
        table.add_column(column, justify='right' if right else 'left', overflow='fold', no_wrap=column == 'name')
    for entry in found:
        table.add_row(*_cells(entry))
    console.print(table, highlight=False, markup=False)


def show_lines(found: Sequence[Entry], console: Console) -> None:
    """Print two lines for each entry: its name, and below it the rest."""
    words = {
        'pixels': '{} pixels',
        'normalization': 'normalized as {}',
        'license': 'license {}',
        'commercial': 'commercial use: {}',
        'params': '{} parameters',
        'MB': '{} MB',
    }
    for entry in found:
        mark, name, *cells = _cells(entry)
        known = [(column, cell) for column, cell in zip(COLUMNS[2:], cells, strict=True) if cell != '-']
        rest = ', '.join(words.get(column, '{}').format(cell) for column, cell in known)
        console.print(Text(f'{name} {mark}'.rstrip(), style='bold'), soft_wrap=True)
        console.print(Padding(Text(rest), (0, 0, 0, 2)))


def _cells(entry: Entry) -> list[str]:
    """Return the texts of the columns; what is unknown is a dash."""
    license = LICENSES.get(entry.license or '')
    numbers = [
        f'{value:{form}}{unit}' if value else '-'
        for value, form, unit in (
            (entry.resolution, 'd', ''),
            (entry.params, '.3g', 'M'),
            (entry.megabytes, '.0f', ''),
        )
    ]
    return [
        '*' if cached_file(entry.url, entry.repository) else '',
        entry.name,
        _arch(entry),
        _short(entry.data),
        numbers[0],
        entry.normalization,
        license.title if license else entry.license or '-',
        _commercial(entry.license),
        *numbers[1:],
        entry.published or '-',
    ]


def _commercial(license: str | None) -> str:
    allowed = allows_commercial_use(license)
    if allowed and LICENSES[str(license)].conditions:
        return 'on conditions'
    return {True: 'yes', False: 'no', None: 'not settled'}[allowed]


def _short(data: str) -> str:
    """Shorten ``ImageNet-22k > ImageNet-1k`` to ``ImageNet-22k > 1k``."""
    first, sign, rest = data.partition('ImageNet-')
    return first + sign + rest.replace('ImageNet-', '')


def _arch(entry: Entry) -> str:
    return f'V2 {entry.arch}' if entry.version == 2 else entry.arch


def _as_json(entry: Entry) -> dict:
    cached = cached_file(entry.url, entry.repository)
    return {
        **entry._asdict(),
        'megabytes': entry.megabytes,
        'commercial_use': allows_commercial_use(entry.license),
        'cached': str(cached) if cached else None,
    }


def _near(pattern: str, known: Sequence[Entry]) -> list[str]:
    """Return names like the pattern, or else words of the catalog."""
    names = near_names(pattern)
    if names:
        return names
    words = {word for entry in known for word in re.findall(r'[a-z0-9]+', ' '.join(map(str, entry[:6])).lower())}
    names = difflib.get_close_matches(pattern, [entry.name for entry in known], n=3, cutoff=0.7)
    return names or difflib.get_close_matches(pattern.lower(), sorted(words), n=2, cutoff=0.7)
