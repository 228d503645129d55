"""A contact sheet of a data set: images with their annotations, those first with which something is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ..data.check import NOTE, CheckResult, DatasetRecords, ImageRecord
from ..data.segmentation.check import MaskFolderRecords
from ..data.segmentation.mask_scan import UNLABELED, read_mask
from ..errors import UserError
from ..io.image_size import ImageSize
from ..io.images import read_rgb
from ..results.drawing import PAPER, draw_caption, palette, side_by_side
from ..results.results import Segmentation
from ..results.text import legible
from .show import INK, WRONG, as_the_data_set_reads_it, draw_annotations

WIDTH, GAP = 1640, 12  # of the sheet, and between images, in pixels
LARGEST = ImageSize(660, 530)  # of an image with boxes or masks
BLANK = np.full((224, 224, 3), 225, np.uint8)


def contact_sheet(checked: CheckResult, count: int | None = None) -> np.ndarray:
    """Draw images of both splits.

    Up to half of them are such as a problem or a warning names, with what it says; the others are spread evenly.

    Args:
        checked: what came out.
        count: how many; None for 32 of an image folder, 12 of other data sets.

    Returns:
        uint8 (H, W, 3), RGB.
    """
    dense = checked.data.unit != 'images'
    chosen = _choose(checked, count or (12 if dense else 32))
    tiles = [_tile(checked.data, image, split, why) for image, split, why in chosen]
    return _packed(tiles)


def _choose(checked: CheckResult, count: int) -> list[tuple[ImageRecord, str, str]]:
    """Images, with the name of their split and what is wrong with them."""
    places = {p.path: (p, split.name) for split in reversed(checked.data.splits) for p in split.images}
    queues = [(finding.message, list(finding.images)) for finding in checked.findings if finding.level != NOTE]
    chosen: dict[str, str] = {}
    while any(paths for _, paths in queues) and len(chosen) < count // 2:  # one of each kind in turn
        for what, paths in queues:
            if paths and len(chosen) < count // 2:
                chosen.setdefault(paths.pop(0), _short(what))
    good = [
        [p.path for p, scan in zip(split.images, scans, strict=True) if scan.header and p.path not in chosen]
        for split, scans in zip(checked.data.splits, checked.scans, strict=True)
    ]
    good = [paths for paths in good if paths]
    room = count - len(chosen)
    for number, paths in enumerate(good):
        share = room // len(good) + (number < room % len(good))
        picked = np.linspace(0, len(paths) - 1, min(share, len(paths))).round().astype(int).tolist()
        chosen |= {paths[i]: '' for i in picked}
    return [(*places[path], why) for path, why in chosen.items()]


def _short(what: str) -> str:
    """``can't be decoded`` of ``3 images that can't be decoded``."""
    return what.split(' ', 2)[-1].removeprefix('that ').partition(':')[0]


def _tile(data: DatasetRecords, image: ImageRecord, split: str, why: str) -> np.ndarray:
    name = f'{split}: {Path(image.path).name}'
    color = WRONG if why else INK
    try:
        if data.unit == 'images':
            assert image.label is not None
            words = legible(data.classes)
            lines = [(words[image.label], INK), (why or name, color)]
            return draw_caption(read_rgb(image.path), [*lines, (name, INK)] if why else lines)
        drawn = _annotated(data, image)
    except UserError:
        return draw_caption(BLANK, [(why or 'cannot be drawn', WRONG), (name, INK)])
    return side_by_side([(f'{name}, {why}' if why else name, drawn)])


def _annotated(data: DatasetRecords, record: ImageRecord) -> np.ndarray:
    if data.unit == 'annotations':
        assert record.size is not None
        image = as_the_data_set_reads_it(record.path, record.size)
        return _small(draw_annotations(image, record.instances, data.classes))
    assert isinstance(data, MaskFolderRecords) and record.mask is not None
    labels = read_mask(record.mask).astype(int)
    if labels.ndim != 2:
        return _small(read_rgb(record.path))
    image = as_the_data_set_reads_it(record.path, ImageSize.of(labels))
    known = (labels >= data.first_label) & (labels < data.first_label + len(data.classes))
    labels = np.where(known, labels - data.first_label, UNLABELED).astype(np.uint8)
    image, labels = _small(image), _small(labels, Image.Resampling.NEAREST)
    colors = palette(len(data.classes))
    return _small(Segmentation(record.path, labels, data.classes, colors).draw(image=image, legend_rows=2))


def _small(pixels: np.ndarray, resample: Image.Resampling = Image.Resampling.LANCZOS) -> np.ndarray:
    image = Image.fromarray(pixels)
    image.thumbnail((LARGEST.width, LARGEST.height), resample, reducing_gap=None)
    return np.asarray(image)


def _packed(tiles: Sequence[np.ndarray]) -> np.ndarray:
    """The tiles in rows, from left to right."""
    rows: list[list[np.ndarray]] = [[]]
    for tile in tiles:
        if rows[-1] and sum(t.shape[1] + GAP for t in rows[-1]) + tile.shape[1] > WIDTH:
            rows.append([])
        rows[-1].append(tile)
    rows = [row for row in rows if row]
    height = sum(max(t.shape[0] for t in row) + GAP for row in rows) + GAP
    width = max((sum(t.shape[1] + GAP for t in row) + GAP for row in rows), default=2 * GAP)
    canvas = Image.new('RGB', (width, height), PAPER)
    top = GAP
    for row in rows:
        left = GAP
        for tile in row:
            canvas.paste(Image.fromarray(tile), (left, top))
            left += tile.shape[1] + GAP
        top += max(t.shape[0] for t in row) + GAP
    return np.asarray(canvas)
