"""Check a whole data set before a run."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from PIL import Image
from rich.bar import Bar
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...analysis.sheet import contact_sheet
from ...config.bands import stats_file, use_stats
from ...config.machine import cores
from ...config.read import point_at, read_config
from ...counting import counted
from ...data.check import NOTE, PROBLEM, WARNING, CheckResult, Finding, SplitRecords, check_dataset
from ...data.check.small_objects import count_tiles, find_small, sizes_in_records
from ...data.check.values import find_enlarged
from ...data.image_scan import ImageScan
from ...errors import UserError
from ...io.band_images import count_bands
from ...io.files import atomic_write
from ...io.image_size import ImageSize
from ...io.image_stats import ImageStats, read_stats, write_stats
from ...io.progress import progress_bar
from ...tasks import task_of
from ...tasks.records import CountColumn
from ...tasks.tiles import describe_tiles, tiles_of
from ..arguments import image_arguments, reading_arguments
from ..band_arguments import band_arguments
from ..tile_arguments import tile_options

STYLES = {PROBLEM: 'bold red', WARNING: 'yellow', NOTE: 'dim'}
SHOWN = 3  # items that are printed for a finding; the JSON has all
ROWS = 24  # maximum number of classes in the table


def run(args: argparse.Namespace) -> int:
    options = {**reading_arguments(args), **image_arguments(args), **band_arguments(args)}
    options['tiles'] = tile_options(args)
    cfg = read_config(args.config, args.cfg_options, args.data, needs_data=False, **options)
    point_at(cfg, args.data, ('train', 'val'), options['data_options'])
    if line := describe_tiles(cfg, options['tiles'], args.image_size):
        print(line)
    checked = check_and_print(cfg, args.config, args.workers)
    stats = keep_stats(cfg, checked, args.command_line)
    if args.json:
        with atomic_write(args.json) as file:
            file.write_text(json.dumps({'command': args.command_line, **as_json(cfg, checked)}, indent=1) + '\n')
    if args.sheet:
        with atomic_write(args.sheet) as file:
            Image.fromarray(contact_sheet(task_of(cfg), checked)).save(file)
    written = [str(file) for file in (stats, args.json, args.sheet) if file]
    if written:
        print(f'written: {", ".join(written)}')
    return 1 if any(finding.level == PROBLEM for finding in checked.findings) else 0


def keep_stats(cfg: Config, checked: CheckResult, command: str) -> Path | None:
    """Write the statistics of the bands, print them, and let the config's drawings show its bands.

    Args:
        cfg: the config.
        checked: the result of the check.
        command: the command line.

    Returns:
        The file; None if there are none.

    Raises:
        UserError: if it can't be written.
    """
    stats = checked.stats
    if stats is None:
        return None
    print_stats(stats)
    file = stats_file(cfg)
    if file.is_file():
        with suppress(UserError):
            before = read_stats(file)
            if before[1:] != stats[1:]:
                kinds = [f'{count_bands(one.bands)} of {one.dtype}' for one in (before, stats)]
                means = [' '.join(f'{value:.4g}' for value in one.mean) for one in (before, stats)]
                print(f'{file} is replaced: {kinds[0]} with mean {means[0]}, now {kinds[1]} with mean {means[1]}')
    with suppress(UserError):  # bands that do not exist, or of one value, are among the problems
        use_stats(cfg, stats, file)
        checked.data.value_range = task_of(cfg).value_range(cfg)
    write_stats(stats, file, command)
    return file


def print_stats(stats: ImageStats) -> None:
    """Print a table with a row for each band."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for name in (f'band ({stats.dtype})', 'minimum', 'maximum', 'mean', 'std', 'left out'):
        table.add_column(name, justify='right')
    columns = (stats.minimum, stats.maximum, stats.mean, stats.std, stats.left_out)
    for band, (*numbers, left_out) in enumerate(zip(*columns, strict=True), start=1):
        table.add_row(str(band), *(f'{number:.5g}' for number in numbers), f'{left_out:,}' if left_out else '')
    console = Console(width=None if Console().is_terminal else 160, highlight=False)
    console.print(table)
    console.print(f'of all {counted(stats.images, "training image")}')


def check_and_print(cfg: Config, name: str, workers: int | None = None, skip: bool = False) -> CheckResult:
    """Check the data of a config with a progress bar, and print the result.

    Args:
        cfg: the config.
        name: name of the config for the output.
        workers: processes that decode images; None for one per core.
        skip: see :func:`~convnext_dense.data.check.check_dataset`.

    Raises:
        UserError: if there are no data.
    """
    task = task_of(cfg)
    data = task.read_data(cfg)
    with progress_bar() as bar:
        count = sum(len(split.images) for split in data.splits)
        row = bar.add_task('images', total=count)
        checked = check_dataset(data, workers or cores(), lambda: bar.advance(row), skip)
    tiles = tiles_of(cfg)
    for split, scans in zip(data.splits, checked.scans, strict=True):
        sizes = [scan.header.upright_size for scan in scans if scan.header]
        if tiles is not None and sizes:
            checked.findings.append(count_tiles(split.name, sizes, tiles))
        if split.name == 'train' and not task.takes_squares:  # enlarging is usual in classification
            if tiles is None:
                checked.findings.extend(find_enlarged(split.name, sizes, task.training_side(cfg), square=False))
            objects = sizes_in_records(split, len(getattr(data, 'thing_classes', ())))
            checked.findings.extend(find_small(split.name, sizes, objects, task.seen(cfg)))
    checked.findings.sort(key=lambda finding: list(STYLES).index(finding.level))
    console = Console(width=None if Console().is_terminal else 160, highlight=False)
    classes = counted(len(data.classes), 'class', 'classes') if task.has_classes else 'labels play no role'
    console.print(f'{name}: {task.name}, {classes}, {", ".join(data.locations)}', soft_wrap=True)
    console.print()
    console.print(_splits_table(checked, task.count_column))
    if data.classes:
        console.print(_classes_table(checked, task.count_column))
    for finding in checked.findings:
        for line in _lines(finding):
            console.print(line, soft_wrap=True)
    console.print(_summary(checked.findings))
    return checked


def as_json(cfg: Config, checked: CheckResult) -> dict[str, Any]:
    """Convert the result of a check to plain values for JSON."""
    data = checked.data
    rows = zip(data.splits, checked.scans, strict=True)
    of_split = dict(zip((split.name for split in data.splits), checked.class_counts, strict=True))
    return {
        'config': cfg.filename,
        'task': task_of(cfg).name,
        'data': data.locations,
        'splits': {split.name: _split_as_json(split, scans) for split, scans in rows},
        **({'image_stats': checked.stats.as_json()} if checked.stats else {}),
        'counted': data.unit,
        'classes': [
            {
                'name': name,
                **{s: {'images': int(b.images[k]), data.unit: int(b.units[k])} for s, b in of_split.items()},
            }
            for k, name in enumerate(data.classes)
        ],
        'problems': sum(finding.level == PROBLEM for finding in checked.findings),
        'findings': [{**finding._asdict(), 'images': list(finding.images)} for finding in checked.findings],
    }


def _split_as_json(split: SplitRecords, scans: Sequence[ImageScan]) -> dict[str, Any]:
    headers = [scan.header for scan in scans if scan.header]
    sizes = np.array([header.size for header in headers], int).reshape(-1, 2)
    areas = sizes.prod(axis=1)
    order = np.argsort(areas, kind='stable')
    picked = {'smallest': 0, 'median': len(order) // 2, 'largest': len(order) - 1} if len(order) else {}
    return {
        'images': len(split.images),
        'readable': len(headers),
        'bytes': sum(scan.file_size for scan in scans),
        'size': {name: sizes[order[place]].tolist() for name, place in picked.items()},
        'modes': dict(Counter(header.mode for header in headers).most_common()),
        'formats': dict(Counter(header.format for header in headers).most_common()),
    }


def _splits_table(checked: CheckResult, column: CountColumn | None) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column('split')
    table.add_column('images', justify='right')
    table.add_column('MB', justify='right')
    table.add_column('smallest, median, largest (height x width)', no_wrap=True)
    table.add_column('formats')
    with_total = column is not None and not column.as_share
    if column and with_total:
        table.add_column(column.heading, justify='right')
    for split, scans, counts in zip(checked.data.splits, checked.scans, checked.class_counts, strict=True):
        row = _split_as_json(split, scans)
        sizes = ', '.join(str(ImageSize(*size)) for size in row['size'].values())
        formats = ', '.join(f'{name} {mode}' for name in row['formats'] for mode in row['modes'])
        if len(row['formats']) > 1 and len(row['modes']) > 1:
            formats = f'{", ".join(row["formats"])}; {", ".join(row["modes"])}'
        cells = [split.name, f'{row["images"]:,}', f'{row["bytes"] / 1e6:,.1f}', sizes, formats]
        table.add_row(*cells, *([f'{counts.units.sum():,}'] if with_total else []))
    return table


def _classes_table(checked: CheckResult, column: CountColumn | None) -> Table:
    """Make a table with a row and bars for each class, or for the most and least frequent ones if there are many."""
    data = checked.data
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column('\nclass', no_wrap=True, max_width=24)
    for split in data.splits:
        table.add_column(f'{split.name}\nimages', justify='right', no_wrap=True)
        if column:
            table.add_column(f'\n{column.heading}', justify='right', no_wrap=True)
        table.add_column('', width=10)
    first = checked.class_counts[0].units
    order = np.argsort(-first, kind='stable').tolist()
    cut = len(order) > ROWS
    for place, k in enumerate(order):
        if cut and ROWS // 2 <= place < len(order) - ROWS // 2:
            if place == ROWS // 2:
                table.add_row(f'... {len(order) - ROWS} more')
            continue
        cells: list[Any] = [Text(data.classes[k])]
        for counts in checked.class_counts:
            amount, most = counts.units[k], max(counts.units.max(), 1)
            cells.append(f'{counts.images[k]:,}')
            if column:
                share = amount / max(counts.units.sum(), 1)
                cells.append(f'{share:.2%}' if column.as_share else f'{amount:,}')
            cells.append(Bar(most, 0, amount, width=8))
        table.add_row(*cells)
    return table


def _lines(finding: Finding) -> Iterator[Text]:
    where = f'{finding.split}: ' if finding.split else ''
    text = Text(f'{finding.level:<9}', style=STYLES[finding.level])
    fix = f': {finding.fix}' if finding.fix else ''
    yield Text.assemble(text, f'{where}{finding.message}{fix}')
    for item in finding.items[:SHOWN]:
        yield Text(f'{"":9}  {item}', style='dim')
    if len(finding.items) > SHOWN:
        yield Text(f'{"":9}  ... {len(finding.items) - SHOWN} more', style='dim')


def _summary(findings: Sequence[Finding]) -> str:
    counts = Counter(finding.level for finding in findings)
    parts = [f'{counts[level]} {level}{"" if counts[level] == 1 else "s"}' for level in STYLES if counts[level]]
    verdict = 'fix the problems before training' if counts[PROBLEM] else 'ready for training'
    return f'{verdict}: {", ".join(parts)}' if parts else f'{verdict}: no problems found'
