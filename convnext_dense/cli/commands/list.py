"""List the packaged configs, read from their syntax trees: without torch, mmengine or running them."""

from __future__ import annotations

import argparse
import difflib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.progress import track
from rich.table import Table

from ...benchmark.published import rows
from ...config.find import fits, near_configs, packaged_configs
from ...config.source import Source
from ...errors import UserError
from ...paper import AUTHORS
from ...roadmap.steps import ENDS

HEADS = {  # by the type of the model, or of its decode_head
    'mmdet.CascadeRCNN': 'Cascade Mask R-CNN',
    'mmdet.MaskRCNN': 'Mask R-CNN',
    'mmdet.FasterRCNN': 'Faster R-CNN',
    'mmdet.DINO': 'DINO',
    'mmdet.RTMDet': 'RTMDet-l',
    'mmdet.RetinaNet': 'RetinaNet',
    'mmdet.Mask2Former': 'Mask2Former',
    'convnext_dense.FCMAE': 'FCMAE',
    'convnext_dense.UPerHead': 'UPerNet',
    'convnext_dense.LinearHead': 'linear head',
    'mmseg.DepthwiseSeparableASPPHead': 'DeepLabV3+',
    'mmseg.SegformerHead': "SegFormer's head",
    'mmseg.Mask2FormerHead': 'Mask2Former',
}


class Entry(NamedTuple):
    """A config in the list."""

    config: str
    task: str
    model: str
    params: float | None  # 10^6; None if none are published
    scores: dict[str, float]  # published, in percent
    published_by: str = ''  # empty if there are no scores


def run(args: argparse.Namespace) -> None:
    known = entries()
    found = [entry for entry in known if args.pattern is None or entry_fits(entry, args.pattern)]
    if not found:
        near = _near(args.pattern, known)
        hint = f'did you mean {" or ".join(near)}?' if near else '`convnext-dense list` shows all'
        raise UserError(f'no config fits {args.pattern!r}: {hint}')
    if args.count:
        found = _counted(found)
    if args.json:
        print(json.dumps([entry._asdict() for entry in found], indent=1))
    else:
        _show(found)


def entries() -> list[Entry]:
    """Return entries for all packaged configs."""
    published = {row.config: row for row in rows()}
    sources: dict[Path, Source] = {}
    found = []
    for config, file in packaged_configs().items():
        source, row = sources.get(file) or Source(file, sources), published.get(config)
        params = float(row.params) if row and row.params else None
        scores = dict(row.scores) if row else {}
        by = row.by if row and scores else ''
        found.append(Entry(config, str(source.value('task')), model_name(source), params, scores, by))
    return found


def entry_fits(entry: Entry, pattern: str) -> bool:
    """Whether an entry's path, name, task or model has the pattern as a part, or fits it as a glob."""
    path = Path(entry.config)
    return fits(pattern, (entry.config, path.name, path.stem, entry.task, entry.model))


def model_name(source: Source) -> str:
    """Return the name of a config's model in papers, such as ``UPerNet, ConvNeXt-T``."""
    backbone = source.value('model', 'backbone', 'type')
    if backbone == 'convnext_dense.RoadmapNet':
        start, _ = ENDS[source.value('model', 'backbone', 'track')]
        return f'roadmap from {start}: {source.value("model", "backbone", "step")}'
    arch = source.value('model', 'backbone', 'arch')
    version = ' V2' if source.value('model', 'backbone', 'version') == 2 else ''
    isotropic = 'isotropic ' if backbone == 'convnext_dense.IsotropicConvNeXt' else ''
    name = f'{isotropic}ConvNeXt{version}-{"XL" if arch == "xlarge" else arch[0].upper()}'
    head = HEADS.get(source.value('model', 'type')) or HEADS.get(source.value('model', 'decode_head', 'type'))
    if head and not source.value('model', 'roi_head', 'mask_head', 'type'):
        head = head.replace('Mask R-CNN', 'R-CNN')  # mmdet has one class for both
    return f'{head}, {name}' if head else name


def _near(pattern: str, known: Sequence[Entry]) -> list[str]:
    """Return up to 2 words from the configs that are similar to the pattern, or else configs with similar names."""
    words = {word for entry in known for text in entry[:3] for word in re.findall(r'[a-z0-9]+', text.lower())}
    return difflib.get_close_matches(pattern.lower(), sorted(words), n=2, cutoff=0.7) or near_configs(pattern)


def _counted(found: list[Entry]) -> list[Entry]:
    """Count the parameters of entries without published ones."""
    from ...analysis.complexity import count_config  # which imports torch
    from ...config.read import read_config

    terminal = Console(stderr=True)
    counted = []
    for entry in track(found, 'counting', console=terminal, transient=True, disable=not terminal.is_terminal):
        if entry.params is None:
            entry = entry._replace(params=count_config(read_config(entry.config, needs_data=False)).params / 1e6)
        counted.append(entry)
    return counted


def _show(found: list[Entry]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ('config', 'task', 'model', 'parameters', 'published (%)'):
        table.add_column(column, justify='right' if column == 'parameters' else 'left', overflow='fold')
    for entry in found:
        params = '-' if entry.params is None else f'{entry.params:.3g}M'
        scores = ', '.join(f'{name} {score}' for name, score in entry.scores.items())
        scores += f' ({entry.published_by})' if entry.published_by not in ('', AUTHORS) else ''
        table.add_row(entry.config, entry.task, entry.model, params, scores or '-')
    console = Console(width=None if Console().is_terminal else 200)
    console.print(table, highlight=False, markup=False)
