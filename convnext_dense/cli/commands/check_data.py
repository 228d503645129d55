"""Check a whole data set before a run."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from mmengine.config import Config
from PIL import Image
from rich.bar import Bar
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...analysis.sheet import contact_sheet
from ...config.machine import cores
from ...config.read import point_at, read_config
from ...data.check import NOTE, PROBLEM, WARNING, Checked, Finding, Split, check
from ...data.image_scan import Look
from ...io.files import whole
from ...tasks import task_of
from ...tasks.base import CountColumn
from ..progress import progress_bar

STYLES = {PROBLEM: 'bold red', WARNING: 'yellow', NOTE: 'dim'}
SHOWN = 3  # files that are named with a finding; the JSON names all
ROWS = 24  # classes in the table


def run(args: argparse.Namespace) -> int:
    cfg = read_config(args.config, args.cfg_options, args.data, needs_data=False)
    point_at(cfg, args.data)
    checked = check_and_print(cfg, args.config, args.workers)
    if args.json:
        with whole(args.json) as file:
            file.write_text(json.dumps({'command': args.command_line, **as_json(cfg, checked)}, indent=1) + '\n')
    if args.sheet:
        with whole(args.sheet) as file:
            Image.fromarray(contact_sheet(task_of(cfg), checked)).save(file)
    written = [file for file in (args.json, args.sheet) if file]
    if written:
        print(f'written: {", ".join(written)}')
    return 1 if any(finding.level == PROBLEM for finding in checked.findings) else 0


def check_and_print(cfg: Config, name: str, workers: int | None = None, skip: bool = False) -> Checked:
    """Check the data of a config, which points at them already, with a bar, and print what came out.

    Args:
        cfg: the config.
        name: what it is called.
        workers: processes that decode; None for one for each core.
        skip: see :func:`~convnext_dense.data.check.check`.

    Raises:
        UserError: if there are no data.
    """
    task = task_of(cfg)
    data = task.read_data(cfg)
    with progress_bar() as bar:
        count = sum(len(split.images) for split in data.splits)
        row = bar.add_task('images', total=count)
        checked = check(data, workers or cores(), lambda: bar.advance(row), skip)
    console = Console(highlight=False)
    console.print(f'{name}: {task.name}, {len(data.classes)} classes, {", ".join(data.places)}', soft_wrap=True)
    console.print()
    console.print(_splits_table(checked, task.count_column))
    console.print(_balance_table(checked, task.count_column))
    for finding in checked.findings:
        for line in _lines(finding):
            console.print(line, soft_wrap=True)
    console.print(_summary(checked.findings))
    return checked


def as_json(cfg: Config, checked: Checked) -> dict[str, Any]:
    """What came out, as plain values."""
    data = checked.data
    rows = zip(data.splits, checked.looks, strict=True)
    of_split = dict(zip((split.name for split in data.splits), checked.balance, strict=True))
    return {
        'config': cfg.filename,
        'task': task_of(cfg).name,
        'data': data.places,
        'splits': {split.name: _sizes(split, looks) for split, looks in rows},
        'counted': data.unit,
        'classes': [
            {
                'name': name,
                **{s: {'images': int(b.images[k]), data.unit: int(b.amount[k])} for s, b in of_split.items()},
            }
            for k, name in enumerate(data.classes)
        ],
        'problems': sum(finding.level == PROBLEM for finding in checked.findings),
        'findings': [{**finding._asdict(), 'images': list(finding.images)} for finding in checked.findings],
    }


def _sizes(split: Split, looks: Sequence[Look]) -> dict[str, Any]:
    headers = [one.header for one in looks if one.header]
    sizes = np.array([header.size for header in headers], int).reshape(-1, 2)
    areas = sizes.prod(axis=1)
    order = np.argsort(areas, kind='stable')
    picked = {'least': 0, 'median': len(order) // 2, 'largest': len(order) - 1} if len(order) else {}
    return {
        'images': len(split.images),
        'readable': len(headers),
        'bytes': sum(one.length for one in looks),
        'size': {name: sizes[order[place]].tolist() for name, place in picked.items()},
        'modes': dict(Counter(header.mode for header in headers).most_common()),
        'formats': dict(Counter(header.format for header in headers).most_common()),
    }


def _splits_table(checked: Checked, column: CountColumn | None) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column('split')
    table.add_column('images', justify='right')
    table.add_column('MB', justify='right')
    table.add_column('least, median, largest size', no_wrap=True)
    table.add_column('formats')
    with_total = column is not None and not column.as_share
    if column and with_total:
        table.add_column(column.heading, justify='right')
    for split, looks, balance in zip(checked.data.splits, checked.looks, checked.balance, strict=True):
        row = _sizes(split, looks)
        sizes = ', '.join(f'{width} x {height}' for width, height in row['size'].values())
        formats = ', '.join(f'{name} {mode}' for name in row['formats'] for mode in row['modes'])
        if len(row['formats']) > 1 and len(row['modes']) > 1:
            formats = f'{", ".join(row["formats"])}; {", ".join(row["modes"])}'
        cells = [split.name, f'{row["images"]:,}', f'{row["bytes"] / 1e6:,.1f}', sizes, formats]
        table.add_row(*cells, *([f'{balance.amount.sum():,}'] if with_total else []))
    return table


def _balance_table(checked: Checked, column: CountColumn | None) -> Table:
    """A row for each class, or for the most and the least frequent, with bars of their shares."""
    data = checked.data
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column('\nclass', no_wrap=True, max_width=24)
    for split in data.splits:
        table.add_column(f'{split.name}\nimages', justify='right', no_wrap=True)
        if column:
            table.add_column(f'\n{column.heading}', justify='right', no_wrap=True)
        table.add_column('', width=10)
    first = checked.balance[0].amount
    order = np.argsort(-first, kind='stable').tolist()
    cut = len(order) > ROWS
    for place, k in enumerate(order):
        if cut and ROWS // 2 <= place < len(order) - ROWS // 2:
            if place == ROWS // 2:
                table.add_row(f'... {len(order) - ROWS} more')
            continue
        cells: list[Any] = [Text(data.classes[k])]
        for balance in checked.balance:
            amount, most = balance.amount[k], max(balance.amount.max(), 1)
            cells.append(f'{balance.images[k]:,}')
            if column:
                share = amount / max(balance.amount.sum(), 1)
                cells.append(f'{share:.2%}' if column.as_share else f'{amount:,}')
            cells.append(Bar(most, 0, amount, width=8))
        table.add_row(*cells)
    return table


def _lines(finding: Finding) -> Iterator[Text]:
    where = f'{finding.split}: ' if finding.split else ''
    text = Text(f'{finding.level:<9}', style=STYLES[finding.level])
    fix = f': {finding.fix}' if finding.fix else ''
    yield Text.assemble(text, f'{where}{finding.what}{fix}')
    for thing in finding.things[:SHOWN]:
        yield Text(f'{"":9}  {thing}', style='dim')
    if len(finding.things) > SHOWN:
        yield Text(f'{"":9}  ... {len(finding.things) - SHOWN} more', style='dim')


def _summary(findings: Sequence[Finding]) -> str:
    counts = Counter(finding.level for finding in findings)
    parts = [f'{counts[level]} {level}{"" if counts[level] == 1 else "s"}' for level in STYLES if counts[level]]
    verdict = 'a run would be harmed' if counts[PROBLEM] else 'nothing stands in the way of a run'
    return f'{verdict}: {", ".join(parts)}' if parts else f'{verdict}: nothing was found'
