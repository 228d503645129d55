"""List the configs that come with the package, with task, model, parameters and published result.

list                  all of them
list seg              those with "seg" in their path, task or model
list 'convnext_?_384' those whose path or name a pattern fits
list --count          count the parameters that nobody published, which takes a minute
"""

from __future__ import annotations

import argparse
import difflib
import json
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from ...config.find import near_configs, packaged_configs
from ...config.source import Source
from ...errors import UserError

DETECTORS = {'mmdet.CascadeRCNN': 'Cascade Mask R-CNN', 'mmdet.MaskRCNN': 'Mask R-CNN'}
HEADS = {'convnext_dense.UPerHead': 'UPerNet'}


class Entry(NamedTuple):
    """A config as it is listed."""

    config: str
    task: str
    model: str
    params: float | None  # 10^6; None if unknown
    scores: dict[str, float]  # published, in percent


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('pattern', nargs='?', metavar='PATTERN', help='a part of the path, task or model, or a glob')
    parser.add_argument('--count', action='store_true', help='count the parameters that are not published')
    parser.add_argument('--json', action='store_true', help='print JSON')


def run(args: argparse.Namespace) -> None:
    found = [entry for entry in entries() if fits(entry, args.pattern)]
    if not found:
        near = _near(args.pattern)
        hint = f'did you mean {" or ".join(near)}?' if near else '`convnext-dense list` shows all'
        raise UserError(f'no config fits {args.pattern!r}: {hint}')
    if args.count:
        found = _counted(found)
    if args.json:
        print(json.dumps([entry._asdict() for entry in found], indent=1))
    else:
        _show(found)


def entries() -> list[Entry]:
    """All packaged configs, read as text."""
    from ...benchmark.published import rows

    published = {row.config: row for row in rows()}
    sources: dict[Path, Source] = {}
    found = []
    for config, file in packaged_configs().items():
        source, row = sources.get(file) or Source(file, sources), published.get(config)
        params = float(row.params) if row and row.params else None
        scores = dict(row.scores) if row else {}
        found.append(Entry(config, str(source.value('task')), model_name(source), params, scores))
    return found


def fits(entry: Entry, pattern: str | None) -> bool:
    """Whether an entry's path, name, task or model has the pattern as a part, or fits it as a glob."""
    if pattern is None:
        return True
    wanted = pattern.lower()
    texts = [
        text.lower()
        for text in (entry.config, Path(entry.config).name, Path(entry.config).stem, entry.task, entry.model)
    ]
    if any(sign in wanted for sign in '*?['):
        return any(fnmatchcase(text, wanted) for text in texts)
    return any(wanted in text for text in texts)


def model_name(source: Source) -> str:
    """A config's model as papers call it, such as ``UPerNet, ConvNeXt-T``."""
    backbone = source.value('model', 'backbone', 'type')
    if backbone == 'convnext_dense.RoadmapNet':
        name = f'roadmap {source.value("model", "backbone", "track")}: {source.value("model", "backbone", "step")}'
    else:
        arch = source.value('model', 'backbone', 'arch')
        size = ('XL' if arch == 'xlarge' else arch[0].upper()) if isinstance(arch, str) else 'custom'
        version = ' V2' if source.value('model', 'backbone', 'version') == 2 else ''
        isotropic = 'isotropic ' if backbone == 'convnext_dense.IsotropicConvNeXt' else ''
        name = f'{isotropic}ConvNeXt{version}-{size}'
    head = DETECTORS.get(source.value('model', 'type')) or HEADS.get(source.value('model', 'decode_head', 'type'))
    return f'{head}, {name}' if head else name


def _near(pattern: str) -> list[str]:
    """Words of the configs that are like the pattern, else configs whose names are."""
    words = {word for entry in entries() for text in entry[:3] for word in re.findall(r'[a-z0-9]+', text.lower())}
    return difflib.get_close_matches(pattern.lower(), sorted(words), n=2, cutoff=0.7) or near_configs(pattern)


def _counted(found: Iterable[Entry]) -> list[Entry]:
    from rich.console import Console
    from rich.progress import track

    from ...analysis.complexity import count_config
    from ...config.read import read_config

    terminal = Console(stderr=True)
    shown = track(list(found), 'counting', console=terminal, transient=True, disable=not terminal.is_terminal)
    return [
        entry
        if entry.params is not None
        else entry._replace(params=count_config(read_config(entry.config, needs_data=False)).params / 1e6)
        for entry in shown
    ]


def _show(found: list[Entry]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ('config', 'task', 'model', 'parameters', 'published (%)'):
        table.add_column(column, justify='right' if column == 'parameters' else 'left', overflow='fold')
    for entry in found:
        params = '-' if entry.params is None else f'{entry.params:.3g}M'
        scores = ', '.join(f'{name} {score}' for name, score in entry.scores.items())
        table.add_row(entry.config, entry.task, entry.model, params, scores or '-')
    console = Console(width=None if Console().is_terminal else 200)
    console.print(table, highlight=False, markup=False)
