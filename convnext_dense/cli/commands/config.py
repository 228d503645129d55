"""Print a resolved config with the origin of each value."""

from __future__ import annotations

import argparse
import difflib
import json
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...config.provenance import Value, explain
from ...errors import UserError
from ...sample_data.names import SAMPLES
from ..arguments import reading_arguments


def run(args: argparse.Namespace) -> None:
    needs_data = args.data not in (None, *SAMPLES)
    values = explain(args.config, args.cfg_options, args.data, needs_data, **reading_arguments(args))
    if args.key is not None:
        values = select(args.key, values)
    if args.json:
        content = [{'key': v.key, 'value': v.value, 'set_by': v.origin.by, 'line': v.origin.line} for v in values]
        print(json.dumps(content, indent=1, default=str))
    else:
        _show(values)


def select(key: str, values: list[Value]) -> list[Value]:
    """Select the values at a key and under it.

    Raises:
        UserError: if there are none; the message suggests the most similar key.
    """
    selected = [value for value in values if value.key == key or value.key.startswith(f'{key}.')]
    if selected:
        return selected
    keys = {'.'.join(map(str, v.keys[:depth])): None for v in values for depth in range(1, len(v.keys) + 1)}
    near = [other for other in keys if other.startswith(key)] or difflib.get_close_matches(key, keys, n=1)
    near = near or [', '.join(other for other in keys if '.' not in other)]
    raise UserError(f'no key {key!r} in the config; did you mean {near[0]}?')


def _show(values: list[Value]) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column('key', no_wrap=True)
    table.add_column('value', overflow='fold')
    table.add_column('set by', overflow='fold', style='dim')
    sections = [list(section) for _, section in groupby(values, key=lambda value: value.keys[0])]
    for before, section in zip([[], *sections], sections, strict=False):
        if before and max(len(before), len(section)) > 1:
            table.add_row()
        for value in section:
            table.add_row(value.key, Text(repr(value.value)), Text(str(value.origin)))
    console = Console(width=None if Console().is_terminal else 1000)
    console.print(table, highlight=False, markup=False)
