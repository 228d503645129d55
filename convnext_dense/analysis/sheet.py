"""Contact sheet of a data set: images with their ground truth, those with problems first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ..data.check import NOTE, CheckResult, DatasetRecords, ImageRecord
from ..errors import UserError
from ..results.drawing import TEXT_COLOR, WHITE, WRONG_COLOR, draw_caption
from ..tasks import Task

WIDTH, GAP = 1640, 12  # of the sheet, and between images, in pixels
BLANK_IMAGE = np.full((224, 224, 3), 225, np.uint8)


def contact_sheet(task: Task, checked: CheckResult, count: int | None = None) -> np.ndarray:
    """Draw images of both splits with their ground truth.

    Up to half of them are images with problems or warnings, which are written above them; the others are spread evenly
    over the data set.

    Args:
        task: the task of the data set.
        checked: the result of the data check.
        count: number of images; None for ``task.sheet_images``.

    Returns:
        uint8 (H, W, 3), RGB.
    """
    chosen = _choose(checked, count or task.sheet_images)
    tiles = [_tile(task, checked.data, image, split, fault) for image, split, fault in chosen]
    return _packed(tiles)


def _choose(checked: CheckResult, count: int) -> list[tuple[ImageRecord, str, str]]:
    """Choose images, each with the name of its split and the problem with it, which may be empty."""
    records = {p.path: (p, split.name) for split in reversed(checked.data.splits) for p in split.images}
    queues = [(finding.message, list(finding.images)) for finding in checked.findings if finding.level != NOTE]
    chosen: dict[str, str] = {}
    while any(paths for _, paths in queues) and len(chosen) < count // 2:  # one image of each finding in turn
        for message, paths in queues:
            if paths and len(chosen) < count // 2:
                chosen.setdefault(paths.pop(0), _short(message))
    without_findings = [
        [p.path for p, scan in zip(split.images, scans, strict=True) if scan.header and p.path not in chosen]
        for split, scans in zip(checked.data.splits, checked.scans, strict=True)
    ]
    without_findings = [paths for paths in without_findings if paths]
    room = count - len(chosen)
    for number, paths in enumerate(without_findings):
        share = room // len(without_findings) + (number < room % len(without_findings))
        picked = np.linspace(0, len(paths) - 1, min(share, len(paths))).round().astype(int).tolist()
        chosen |= {paths[i]: '' for i in picked}
    return [(*records[path], fault) for path, fault in chosen.items()]


def _short(message: str) -> str:
    """Shorten a finding's message: ``3 images that can't be decoded`` becomes ``can't be decoded``."""
    return message.split(' ', 2)[-1].removeprefix('that ').partition(':')[0]


def _tile(task: Task, data: DatasetRecords, image: ImageRecord, split: str, fault: str) -> np.ndarray:
    title = f'{split}: {Path(image.path).name}'
    try:
        return task.draw_record(data, image, title, fault)
    except UserError:
        return draw_caption(BLANK_IMAGE, [(fault or 'cannot be drawn', WRONG_COLOR), (title, TEXT_COLOR)])


def _packed(tiles: Sequence[np.ndarray]) -> np.ndarray:
    """Arrange the tiles in rows, from left to right."""
    rows: list[list[np.ndarray]] = [[]]
    for tile in tiles:
        if rows[-1] and sum(t.shape[1] + GAP for t in rows[-1]) + tile.shape[1] > WIDTH:
            rows.append([])
        rows[-1].append(tile)
    rows = [row for row in rows if row]
    height = sum(max(t.shape[0] for t in row) + GAP for row in rows) + GAP
    width = max((sum(t.shape[1] + GAP for t in row) + GAP for row in rows), default=2 * GAP)
    canvas = Image.new('RGB', (width, height), WHITE)
    top = GAP
    for row in rows:
        left = GAP
        for tile in row:
            canvas.paste(Image.fromarray(tile), (left, top))
            left += tile.shape[1] + GAP
        top += max(t.shape[0] for t in row) + GAP
    return np.asarray(canvas)
