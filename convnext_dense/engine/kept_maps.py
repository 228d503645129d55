"""Label maps of images that are segmented block by block, which are kept for drawings and for a diagnosis."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmengine.structures import PixelData

from ..diagnosis.confusion import Confusion
from ..diagnosis.segmentation import thinning
from ..io.image_size import ImageSize
from ..io.images import UNLABELED
from ..tiling.blocks import Block

MOST_DRAWN = 1 << 26
"""Pixels of the largest image that hooks may draw, whose label map is kept for that: 67 million, some 500 MB."""


class KeptMaps:
    """What is kept of the blocks of an image: label maps; of a larger one, its counts and thinned maps, if asked for.

    Args:
        size: of the image.
        classes: number of classes of the data.
        whole: keep the label maps whatever the size.
        diagnosed: keep what a diagnosis takes: confidences, and of a large image counts and thinned maps.
    """

    def __init__(self, size: ImageSize, classes: int, whole: bool, diagnosed: bool) -> None:
        self.size, self.classes, self.diagnosed = size, classes, diagnosed
        self.is_whole = whole or size.height * size.width <= MOST_DRAWN
        self.factor = 1 if self.is_whole else thinning(size)
        self._maps: dict[str, np.ndarray] = {}
        self._counts: list[Confusion] = []

    def add(self, block: Block, truth: np.ndarray) -> None:
        """Keep of a block what is needed, with its true labels (h, w)."""
        if not self.is_whole and not self.diagnosed:
            return
        parts = {'predicted': block.labels, 'truth': truth}
        if block.confidence is not None:
            parts['confidence'] = block.confidence
        window, factor = block.window, self.factor
        top, left = -(-window.top // factor), -(-window.left // factor)
        for name, part in parts.items():
            thinned = part[top * factor - window.top :: factor, left * factor - window.left :: factor]
            if name not in self._maps:
                shape = tuple(-(-side // factor) for side in self.size)
                self._maps[name] = np.zeros(shape, np.uint8 if name == 'truth' else part.dtype)
            self._maps[name][top : top + thinned.shape[0], left : left + thinned.shape[1]] = thinned
        if not self.is_whole:
            self._counts.append(self._count(block.labels, truth))

    def _count(self, labels: np.ndarray, truth: np.ndarray) -> Confusion:
        labeled = truth != UNLABELED
        return Confusion.count(self.classes, truth[labeled], np.minimum(labels[labeled], self.classes))

    def set_on(self, sample: Any) -> None:
        """Set what is kept on the image's data sample.

        It gets ``pred_sem_seg``, ``gt_sem_seg`` and maybe ``confidence``; or, for a large image, ``thinned``: a dict
        with ``pixels``, a :class:`Confusion`, ``maps`` of those three by name, and the ``factor`` of the thinning.
        """
        if not self._maps:
            return
        if not self.is_whole:
            maps = {'confidence': None, **self._maps}
            pixels = Confusion.sum(self.classes, self._counts)
            sample.set_metainfo({'thinned': {'pixels': pixels, 'maps': maps, 'factor': self.factor}})
            return
        keys = {'predicted': 'pred_sem_seg', 'truth': 'gt_sem_seg', 'confidence': 'confidence'}
        sample.set_data({keys[name]: PixelData(data=torch.from_numpy(one)[None]) for name, one in self._maps.items()})
