"""Print a config as a run would have it, with the place that set each value."""

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


def run(args: argparse.Namespace) -> None:
    needs_data = args.data not in (None, 'sample')
    values = explain(args.config, args.cfg_options, args.data, needs_data)
    if args.key is not None:
        values = under(args.key, values)
    if args.json:
        content = [
            {'key': one.key, 'value': one.value, 'set_by': one.origin.by, 'line': one.origin.line} for one in values
        ]
        print(json.dumps(content, indent=1, default=str))
    else:
        _show(values)


def under(key: str, values: list[Value]) -> list[Value]:
    """The values at a key and under it.

    Raises:
        UserError: if there are none, with the nearest key.
    """
    found = [one for one in values if one.key == key or one.key.startswith(f'{key}.')]
    if found:
        return found
    keys = {'.'.join(map(str, one.keys[:depth])): None for one in values for depth in range(1, len(one.keys) + 1)}
    near = [one for one in keys if one.startswith(key)] or difflib.get_close_matches(key, keys, n=1)
    near = near or [', '.join(one for one in keys if '.' not in one)]
    raise UserError(f'no key {key!r} in the config; did you mean {near[0]}?')


def _show(values: list[Value]) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column('key', no_wrap=True)
    table.add_column('value', overflow='fold')
    table.add_column('set by', overflow='fold', style='dim')
    sections = [list(section) for _, section in groupby(values, key=lambda one: one.keys[0])]
    for before, section in zip([[], *sections], sections, strict=False):
        if before and max(len(before), len(section)) > 1:
            table.add_row()
        for one in section:
            table.add_row(one.key, Text(repr(one.value)), Text(str(one.origin)))
    console = Console(width=None if Console().is_terminal else 1000)
    console.print(table, highlight=False, markup=False)
