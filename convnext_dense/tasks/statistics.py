"""Statistics of a config's training and tested data."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import TYPE_CHECKING

from ..errors import UserError

if TYPE_CHECKING:
    from mmengine.config import Config

    from ..data.check import DatasetRecords, SplitRecords
    from ..diagnosis.statistics import DataStatistics
    from ..io.image_size import ImageSize
    from .task_data import TaskData

MOST_HEADERS = 20_000
"""Images of a split whose headers are read where annotations do not say the sizes; of more, evenly spread ones."""
NAMES = {'train': 'training', 'val': 'tested'}


def read_statistics(
    task: TaskData, cfg: Config, classes: Sequence[str] | None = None
) -> tuple[DataStatistics | None, DataStatistics | None, list[str]]:
    """Read what training data and tested data consist of; see :meth:`.task_data.TaskData.read_statistics`."""
    from ..diagnosis.statistics import measure

    cfg = deepcopy(cfg)
    if cfg.get('test_dataloader') is not None:
        cfg.val_dataloader = None  # then the tested data are read
    for key in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        cfg.setdefault(key, None)
    data = task.read_data(cfg)
    found, notes = {}, []
    for split in data.splits:
        if not split.images:
            continue
        sizes, note = _read_sizes(split)
        notes += [note] if note else []
        found[split.name] = measure(data, split, NAMES[split.name], sizes, classes)
    if not found:
        raise UserError(_first_problem(data))
    return found.get('train'), found.get('val'), notes


def _read_sizes(split: SplitRecords) -> tuple[dict[str, ImageSize], str]:
    """Read the sizes of images from their headers, where the records have none; and say if only some were read."""
    from ..data.image_scan import read_headers

    paths = [image.path for image in split.images if image.size is None and image.is_read]
    step = -(-len(paths) // MOST_HEADERS)
    chosen = paths[::step] if paths else []
    headers = zip(chosen, read_headers(chosen), strict=True)
    sizes = {path: header.upright_size for path, header in headers if not isinstance(header, str)}
    if step <= 1:
        return sizes, ''
    return sizes, f'Sizes of {NAMES[split.name]} images are those of {len(chosen):,} of {len(paths):,}.'


def _first_problem(data: DatasetRecords) -> str:
    from ..data.check import PROBLEM

    problems = [finding.message for finding in data.findings if finding.level == PROBLEM]
    return problems[0] if problems else 'the data sets have no images'
