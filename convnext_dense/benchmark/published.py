"""The published parameters and MACs, each with the config that must have them, and how far off a count is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

from .. import paper
from ..analysis.complexity import Complexity
from ..roadmap.measurements import ENDS
from ..roadmap.steps import TRACKS, config_of

CLASSIFICATION_TOLERANCE = 0.005
DENSE_TOLERANCE = 0.01


class Row(NamedTuple):
    """A published row. Numbers are text, which keeps the printed digits."""

    table: str
    name: str
    config: str  # its path
    params: str | None  # 10^6; None where none are published
    macs: str  # 10^9
    tolerance: float  # share of the published number
    note: str = ''
    misprint: bool = False  # the note says why macs can't be right


class Difference(NamedTuple):
    """A count beside what is published, in the row's unit."""

    ours: float
    published: str
    relative: float  # of the published number
    verdict: str  # 'within', 'rounding', 'misprint' or 'exceeds'


def rows() -> Iterator[Row]:
    """Every published row that has parameters or MACs."""
    for table, stem, end, results in (
        ('ImageNet-1k', 'convnext', '', paper.CONVNEXT_1K),
        ('ImageNet-22k, then 1k', 'convnext', '_22k_to_1k', paper.CONVNEXT_22K_TO_1K),
        ('V2, ImageNet-1k', 'convnextv2', '', paper.CONVNEXTV2_1K),
        ('Isotropic, ImageNet-1k', 'convnext_iso', '', paper.ISOTROPIC_1K),
    ):
        for one in results:
            size = '_384' if one.resolution == 384 else ''
            yield Row(
                table,
                f'{one.arch}, {one.resolution}',
                f'configs/classification/{stem}_{_letter(one.arch)}{end}{size}.py',
                f'{one.params:g}',
                f'{one.macs:g}',
                CLASSIFICATION_TOLERANCE,
                one.note,
            )
    for track, (start, _) in ENDS.items():
        for step, published in zip(TRACKS[track], paper.ROADMAP[track], strict=True):
            yield Row(
                f'Roadmap from {start}',
                step.title,
                config_of(track, step.name),
                None,
                f'{published.macs:.2f}',
                CLASSIFICATION_TOLERANCE,
                published.misprint,
                bool(published.misprint),
            )
    yield from _dense('Mask R-CNN, COCO', 'det/mask_rcnn_convnext_{}_coco', paper.MASK_RCNN_COCO)
    yield from _dense('Cascade Mask R-CNN, COCO', 'det/cascade_convnext_{}_coco', paper.CASCADE_COCO)
    yield from _dense('UPerNet, ADE20K', 'seg/upernet_convnext_{}_ade20k', paper.UPERNET_ADE20K)


def compare(row: Row, counted: Complexity) -> dict[str, Difference]:
    """``params`` where they are published, and ``macs``.

    A difference is within the row's tolerance, or no larger than the rounding to the printed digits, or explained by
    a known misprint, or it exceeds.
    """
    found = {}
    for key, published, ours in (
        ('params', row.params, counted.params / 1e6),
        ('macs', row.macs, counted.macs / 1e9),
    ):
        if published is None:
            continue
        relative = ours / float(published) - 1
        last_digit = Decimal(published).adjusted() - len(Decimal(published).as_tuple().digits) + 1
        if abs(relative) <= row.tolerance:
            verdict = 'within'
        elif abs(ours - float(published)) <= 10**last_digit / 2:
            verdict = 'rounding'
        else:
            verdict = 'misprint' if row.misprint and key == 'macs' else 'exceeds'
        found[key] = Difference(ours, published, relative, verdict)
    return found


def _dense(table: str, stem: str, results: Sequence[paper.PublishedDense]) -> Iterator[Row]:
    for one in results:
        data = '_22k' if one.data == 'ImageNet-22k' else ''
        config = f'configs/{stem.format(_letter(one.arch) + data)}.py'
        name = f'{one.arch}, {one.data}'
        yield Row(table, name, config, f'{one.params:g}', f'{one.macs:g}', DENSE_TOLERANCE)


def _letter(arch: str) -> str:
    return 'xl' if arch == 'xlarge' else arch[0]
