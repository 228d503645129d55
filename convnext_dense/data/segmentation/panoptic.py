"""COCO's panoptic files as a source of label maps: the class of each pixel is that of its segment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import UserError
from ...io.color_masks import BadLabels
from ...io.panoptic import UNKNOWN_SEGMENTS, VOID, describe_unknown, read_segment_ids
from ...io.window import Window
from ..formats.base import WHOLE
from ..formats.split_names import TRAIN, VAL
from ..panoptic.content import read_categories, read_content
from ..panoptic.files import FORMAT, PanopticFiles, list_panoptic_files
from ..text import count_of, quoted, shortened
from .label_zero import ClassList
from .mask_files import count_labels
from .readers import MaskReader
from .sources import FoundMasks, MaskSource

SPLITS = {TRAIN: 'training', VAL: 'validation', WHOLE: WHOLE}


class PanopticSource(MaskSource, MaskReader):
    """Images with panoptic segmentations, of which the classes of the segments are read, things and stuff alike.

    Label v is the v-th category, and 0 that of pixels in no segment, which are unlabeled unless it is set otherwise.

    Args:
        root: the data set's folder.
        splits: the files by split.
    """

    format = FORMAT
    kind = 'index'
    line = 'masks are the segments of panoptic COCO files'

    def __init__(self, root: Path, splits: Mapping[str, PanopticFiles]) -> None:
        self.root, self.splits = root, splits
        self._segments: dict[str, dict[int, int]] = {}

    @property
    def digest(self) -> str:
        times = [(str(one.annotations), one.annotations.stat().st_mtime_ns) for one in self.splits.values()]
        return f'{self.format} {times}'

    @cached_property
    def names(self) -> list[str]:
        """Names of the categories, in the order of the first split's."""
        return [one.name for one in read_categories(next(iter(self.splits.values())).annotations)]

    def listed(self, seen: Any = None) -> ClassList:
        """Return the categories after a name for the pixels in no segment."""
        return ClassList('panoptic COCO', ['void', *self.names], is_complete=True)

    def _find(self, split: str) -> FoundMasks:
        files = self.splits[self.own_name(split)]
        path = files.annotations
        content = read_content(files)
        labels = {name: label for label, name in enumerate(self.names, 1)}
        unknown = [one.name for one in content.categories if one.name not in labels]
        if unknown:
            raise UserError(f'{path} has the category {quoted(unknown[0])}, unlike the other split: name them alike')
        label_of = [labels[one.name] for one in content.categories]
        pairs = []
        for image, png, segments, _ in content.images:
            self._segments[png] = {VOID: 0} | {one.id: label_of[one.category] for one in segments}
            pairs.append((os.path.join(files.images, image['file_name']), png))
        remarks = []
        if content.without:
            what = f'{path}: {count_of(content.without, "image")} without annotation'
            remarks.append(f'{what} left out: {shortened(content.without, 3)}')
        return FoundMasks(sorted(pairs), remarks, [], path.stem, content.faults)

    def reads_windows(self, mask: str) -> bool:
        return False

    def read(self, mask: str, retry_missing: bool = False, window: Window | None = None) -> np.ndarray:
        """Read the label map of a mask, uint8 (H, W)."""
        for split in self.splits:
            if mask in self._segments:
                break
            self.find(split)
        ids = read_segment_ids(mask, retry_missing, window)
        numbers, places = np.unique(ids, return_inverse=True)
        known = self._segments[mask]
        unknown = [number for number in numbers.tolist() if number not in known]
        if unknown:
            counts = count_labels(ids)
            raise BadLabels(mask, UNKNOWN_SEGMENTS, describe_unknown({number: counts[number] for number in unknown}))
        return np.array([known[number] for number in numbers.tolist()], np.uint8)[places].reshape(ids.shape)


def find_panoptic(root: Path) -> PanopticSource | None:
    """Find panoptic COCO files; see :func:`~convnext_dense.data.panoptic.files.list_panoptic_files`.

    Raises:
        UserError: if the PNG files or the images are not there, or several files may be meant.
    """
    splits = {SPLITS[split]: files for split, files in list_panoptic_files(root).items()}
    return PanopticSource(root, splits) if splits else None
