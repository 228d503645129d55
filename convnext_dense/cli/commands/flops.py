"""Count parameters, multiply-accumulates (MACs) and activations."""

from __future__ import annotations

import argparse
import json
from itertools import groupby

from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

from ...analysis.complexity import Complexity, count_config
from ...benchmark.published import CLASSIFICATION_TOLERANCE, DENSE_TOLERANCE, Difference, Row, compare, rows
from ...config.read import read_config
from ...io.image_size import ImageSize
from ..band_arguments import band_arguments


def run(args: argparse.Namespace) -> int:
    if args.paper:
        return _paper(args.json)
    shape = ImageSize(int(args.shape[0]), int(args.shape[1])) if args.shape else None
    cfg = read_config(args.config, args.cfg_options, needs_data=False, saved=args.of_run, **band_arguments(args))
    counted = count_config(cfg, shape)
    shown = {name: cost for name, cost in counted.by_module.items() if name.count('.') < args.depth}
    if args.json:
        by_module = {name: cost._asdict() for name, cost in shown.items()}
        print(json.dumps({'config': args.config, **counted._asdict(), 'by_module': by_module}, indent=1))
    else:
        _show(counted._replace(by_module=shown))
    return 0


def _show(counted: Complexity) -> None:
    console = _console()
    table = Table(box=None, pad_edge=False)
    for column in ('module', 'parameters', 'MACs', 'of all', 'activations'):
        table.add_column(column, justify='left' if column == 'module' else 'right')
    table.add_row(
        '(all)', _short(counted.params), _short(counted.macs), '', _short(counted.activations), end_section=True
    )
    for name, cost in counted.by_module.items():
        *parents, own = name.split('.')
        share = f'{cost.macs / counted.macs:.1%}' if cost.macs else ''
        table.add_row(
            '  ' * len(parents) + own, _short(cost.params), _short(cost.macs), share, _short(cost.activations)
        )
    console.print(table)
    frozen = counted.params - counted.trained
    others = ', '.join(f'{kind} {times}' for kind, times in counted.not_counted.items())
    for line in (
        '',
        f'input: {" x ".join(map(str, counted.input_shape))}',
        f'parameters: {counted.params:,}, {f"of which {frozen:,} are frozen" if frozen else "all trained"}',
        f'run: {counted.rule}',
        'counted: MACs and activations (elements of the outputs) of convolutions, linear layers and matrix products',
        f'not counted, with how often it ran: {others}',
    ):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _short(number: int) -> str:
    """Format a number with four digits and a unit: k, M, G."""
    for unit, size in (('G', 1e9), ('M', 1e6), ('k', 1e3)):
        if number >= size:
            return f'{number / size:.{max(0, 4 - len(str(int(number / size))))}f}{unit}'
    return str(number) if number else '-'


def _paper(as_json: bool) -> int:
    terminal, published = Console(stderr=True), [row for row in rows() if row.params or row.macs]
    counts = [
        count_config(read_config(row.config, needs_data=False))
        for row in track(published, 'counting', console=terminal, transient=True, disable=not terminal.is_terminal)
    ]
    compared = [(row, compare(row, counted)) for row, counted in zip(published, counts, strict=True)]
    if as_json:
        content = [_as_json(*pair, counted) for pair, counted in zip(compared, counts, strict=True)]
        print(json.dumps(content, indent=1))
    else:
        _show_paper(compared)
    return int(any(d.verdict == 'exceeds' for _, differences in compared for d in differences.values()))


def _as_json(row: Row, found: dict[str, Difference], counted: Complexity) -> dict:
    return {
        'table': row.table,
        'row': row.name,
        'config': row.config,
        'input_shape': counted.input_shape,
        'tolerance': row.tolerance,
        **{key: difference._asdict() for key, difference in found.items()},
        'note': row.note,
    }


def _show_paper(compared: list[tuple[Row, dict[str, Difference]]]) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column('published row')
    for what in ('params (M)', 'MACs (G)'):
        for column in (what, 'published', 'difference'):
            table.add_column(column, justify='right')
    table.add_column()
    notes: list[str] = []
    exceeding: list[str] = []
    for title, group in groupby(compared, key=lambda pair: pair[0].table):
        table.add_row(f'[bold]{title}[/]')
        for row, found in group:
            cells, marks = [], []
            for key, name in (('params', 'parameters'), ('macs', 'MACs')):
                if key not in found:
                    cells += ['', '', '']
                    continue
                ours, published, relative, verdict = found[key]
                cells += [_five_digits(ours), published, f'{relative:+.2%}']
                if verdict != 'within':
                    marks.append(f'{name}: {verdict}')
                if verdict == 'exceeds':
                    exceeding.append(f'{title}, {row.name}: {name} {_five_digits(ours)}, published {published}')
            if row.note:
                notes.append(f'[{len(notes) + 1}] {title}, {row.name}: {row.note}')
                marks.append(f'[{len(notes)}]')
            table.add_row(f'  {row.name}', *cells, Text('  '.join(marks)))
    console = _console()
    console.print(table, highlight=False)
    for line in (
        '',
        *notes,
        f'tolerance: {CLASSIFICATION_TOLERANCE:.1%} of the published number, '
        f'{DENSE_TOLERANCE:.0%} in detection and segmentation',
        'rounding: no further off than half the last printed digit',
        *(f'exceeds: {line}' for line in exceeding),
        f'{len(compared)} rows, {len(exceeding)} numbers exceed their tolerance unexplained',
    ):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _console() -> Console:
    return Console(width=None if Console().is_terminal else 160)


def _five_digits(number: float) -> str:
    return f'{number:.{max(1, 5 - len(str(int(number))))}f}'
