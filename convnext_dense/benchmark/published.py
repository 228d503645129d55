"""Published parameters, MACs and scores with their configs, and the comparison with counted values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from .. import paper
from ..roadmap.steps import ENDS, TRACKS, config_of

if TYPE_CHECKING:
    from ..analysis.complexity import Complexity

CLASSIFICATION_TOLERANCE = 0.005
DENSE_TOLERANCE = 0.01


class Row(NamedTuple):
    """A published row; numbers are strings, to keep the printed digits."""

    table: str
    name: str
    config: str  # its path
    params: str | None  # 10^6; None where none are published
    macs: str | None  # 10^9; None where none are published
    tolerance: float  # share of the published number
    note: str = ''
    misprint: bool = False  # True if the note explains why macs must be wrong
    scores: Mapping[str, float] = {}  # 'top-1', 'box AP', 'mask AP', 'mIoU' or 'mIoU multi-scale', in percent
    by: str = paper.AUTHORS  # who published it


class Difference(NamedTuple):
    """A counted and a published value in the row's unit."""

    ours: float
    published: str
    relative: float  # of the published number
    verdict: str  # 'within', 'rounding', 'misprint' or 'exceeds'


def rows() -> Iterator[Row]:
    """Yield all published rows that a config is of."""
    for table, stem, end, results in (
        ('ImageNet-1k', 'convnext', '', paper.CONVNEXT_1K),
        ('ImageNet-22k, then 1k', 'convnext', '_22k_to_1k', paper.CONVNEXT_22K_TO_1K),
        ('V2, ImageNet-1k', 'convnextv2', '', paper.CONVNEXTV2_1K),
        ('Isotropic, ImageNet-1k', 'convnext_iso', '', paper.ISOTROPIC_1K),
    ):
        for result in results:
            size = '_384' if result.resolution == 384 else ''
            yield Row(
                table,
                f'{result.arch}, {result.resolution}',
                f'configs/classification/{stem}_{_letter(result.arch)}{end}{size}.py',
                f'{result.params:g}',
                f'{result.macs:g}',
                CLASSIFICATION_TOLERANCE,
                result.note,
                scores={'top-1': result.top1},
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
                {'top-1': published.top1},
            )
    aps, mious = ('box AP', 'mask AP'), ('mIoU', 'mIoU multi-scale')
    yield from _dense('Mask R-CNN, COCO', 'det/mask_rcnn_convnext_{}_coco', paper.MASK_RCNN_COCO, aps)
    yield from _dense('Cascade Mask R-CNN, COCO', 'det/cascade_convnext_{}_coco', paper.CASCADE_COCO, aps)
    yield from _dense('DINO, COCO', 'det/dino_convnext_{}_coco', paper.DINO_COCO, aps[:1])
    yield from _dense('RTMDet, COCO', 'det/rtmdet_convnext_{}_coco', paper.RTMDET_COCO, aps[:1], marks_data=False)
    yield from _dense('UPerNet, ADE20K', 'seg/upernet_convnext_{}_ade20k', paper.UPERNET_ADE20K, mious)


def compare(row: Row, counted: Complexity) -> dict[str, Difference]:
    """Compare counted with published values: ``params`` and ``macs``, as far as they are published.

    The verdict is ``'within'`` the row's tolerance, ``'rounding'`` (no larger than the rounding to the printed
    digits), ``'misprint'`` (explained by a known one), or ``'exceeds'``.
    """
    differences = {}
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
        differences[key] = Difference(ours, published, relative, verdict)
    return differences


def _dense(
    table: str,
    stem: str,
    results: Sequence[paper.PublishedDense],
    scores: tuple[str, ...],
    marks_data: bool = True,
) -> Iterator[Row]:
    """Yield the rows of a table; with ``marks_data``, its configs of 22k weights have ``_22k`` in their names."""
    for result in results:
        data = '_22k' if marks_data and result.data == 'ImageNet-22k' else ''
        config = f'configs/{stem.format(_letter(result.arch) + data)}.py'
        name = f'{result.arch}, {result.data}'
        published = dict(zip(scores, result.scores, strict=True))
        params, macs = (None if size is None else f'{size:g}' for size in (result.params, result.macs))
        yield Row(table, name, config, params, macs, DENSE_TOLERANCE, scores=published, by=result.by)


def _letter(arch: str) -> str:
    return 'xl' if arch == 'xlarge' else arch[0]
