"""Write a config for this project out of one of mmdet or mmseg, or list those that they ship."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Iterable
from itertools import groupby

from rich.console import Console
from rich.table import Table

from ...adaptation import Listed, adapt, list_sources
from ...adaptation.listing import listed_fits
from ...adaptation.own_run import timm_weights_for
from ...adaptation.writing import config_text
from ...counting import counted
from ...errors import UserError
from ...io.files import atomic_write, write_errors
from ..arguments import command_line

METRICS = ('box AP', 'mask AP', 'PQ', 'mIoU')
"""Metrics of which the list of families has the best."""


def run(args: argparse.Namespace) -> None:
    if args.list is not None:
        _list(args.list)
        return
    adapted = adapt(args.source, args.arch)
    weights = timm_weights_for(adapted.config.get('pretrained'))  # the config's own must be trained first
    train = command_line(args, 'train', args.out, '--data', 'PATH', *(('--pretrained', weights) if weights else ()))
    text = config_text(adapted, train)
    with write_errors(args.out, '--out'), atomic_write(args.out) as temporary:
        temporary.write_text(text, encoding='utf-8')
    print(f'{args.out}: {adapted.source.name} on {adapted.arch.title}')
    for title, items in (('changed', adapted.notes.changed), ('left to decide', adapted.notes.undecided)):
        for line in [f'{title}:', *(f'- {item}' for item in items)] if items else []:
            print(line)
    print(f'next: {train}')


def _list(pattern: str) -> None:
    known = list_sources()
    found = [one for one in known if listed_fits(one, pattern)] if pattern else known
    if not found:
        words = {word for one in known for word in re.findall(r'[a-z0-9]+', f'{one.name} {one.model}'.lower())}
        near = difflib.get_close_matches(pattern.lower(), sorted(words), n=2, cutoff=0.7)
        hint = f'did you mean {" or ".join(near)}?' if near else '`convnext-dense adapt --list` shows the families'
        raise UserError(f'no config of mmdet or mmseg fits {pattern!r}: {hint}')
    table = Table(box=None, pad_edge=False)
    for column in ('config' if pattern else 'family', 'model', 'published, with its own backbone'):
        table.add_column(column, overflow='fold')
    for name, model, results in map(_row, found) if pattern else _families(found):
        table.add_row(name, model, results)
    Console(width=None if Console().is_terminal else 200).print(table, highlight=False, markup=False)
    if not pattern:
        print('the configs of a family: convnext-dense adapt --list FAMILY')


def _row(one: Listed) -> tuple[str, str, str]:
    results = ', '.join(f'{name} {value:g}' for name, value in one.results.items())
    return one.name, one.model, f'{results} ({one.data})' if results and one.data else results or '-'


def _families(listed: Iterable[Listed]) -> Iterable[tuple[str, str, str]]:
    for family, group in groupby(listed, key=lambda one: one.family):
        members = list(group)
        names = ', '.join(dict.fromkeys(one.model for one in members))
        best = {name: max((one.results.get(name, 0) for one in members), default=0) for name in METRICS}
        results = [f'{name} up to {value:g}' for name, value in best.items() if value]
        yield family, names, ', '.join([counted(len(members), 'config'), *results])
