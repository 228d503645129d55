"""Mosaic and mixup of images with masks, inside a data set that draws the other images, such as ``MixedImages``.

mmdet's transforms for such a data set leave masks out, and those that have them take the other images from a cache
that each loader worker fills, whose content a resumed run would not have.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from ...compat.mmdet_imports import light_imports
from ...errors import UserError
from ...registry import TRANSFORMS

with light_imports():
    from mmdet.datasets.transforms import CachedMixUp, CachedMosaic


@TRANSFORMS.register_module()
class Mosaic(CachedMosaic):
    """Mosaic of four images of the data set, with boxes and masks.

    Args:
        img_scale: width and height of a quarter of the result, in pixels.
        center_ratio_range: range of the place where the four images meet, as a share of ``img_scale``.
        bbox_clip_border: clip boxes to the result.
        pad_val: level of what no image covers.
        prob: probability of a mosaic, in [0, 1]; otherwise the image is returned as it is.

    Raises:
        UserError: for masks and an ``img_scale`` that is not square, which mmdet takes for height and width.
    """

    def __init__(
        self,
        img_scale: tuple[int, int] = (640, 640),
        center_ratio_range: tuple[float, float] = (0.5, 1.5),
        bbox_clip_border: bool = True,
        pad_val: float = 114.0,
        prob: float = 1.0,
    ) -> None:
        super().__init__(tuple(img_scale), center_ratio_range, bbox_clip_border, pad_val, prob, max_cached_images=5)

    def get_indexes(self, dataset: Any) -> list[int]:
        """Draw three images of the data set; of the drawn ones, take all three."""
        if dataset is self.results_cache:
            return [0, 1, 2]
        return [random.randrange(len(dataset)) for _ in range(3)]

    def transform(self, results: dict) -> dict:
        """Mix the image with the three of ``mix_results``."""
        if 'gt_masks' in results and self.img_scale[0] != self.img_scale[1]:
            raise UserError(f'convnext_dense.Mosaic: img_scale {self.img_scale} with masks: take a square')
        others = results['mix_results']
        self.results_cache = [*others, others[0]]  # with the image itself five, as many as mmdet mixes from
        return _mix(self, super().transform, results)


@TRANSFORMS.register_module()
class MixUp(CachedMixUp):
    """Mean of two images of the data set, with the boxes and masks of both.

    Args:
        img_scale: width and height that the other image is fit into, in pixels.
        ratio_range: range of the factor by which it is scaled then.
        flip_ratio: probability that it is not flipped, as in mmdet.
        pad_val: level of what it does not cover.
        max_iters: number of tries to draw an image with objects.
        bbox_clip_border: clip boxes to the image.
        prob: probability of mixing, in [0, 1]; otherwise the image is returned as it is.
    """

    def __init__(
        self,
        img_scale: tuple[int, int] = (640, 640),
        ratio_range: tuple[float, float] = (0.5, 1.5),
        flip_ratio: float = 0.5,
        pad_val: float | Sequence[float] = 114.0,
        max_iters: int = 15,
        bbox_clip_border: bool = True,
        prob: float = 1.0,
    ) -> None:
        super().__init__(tuple(img_scale), ratio_range, flip_ratio, pad_val, max_iters, bbox_clip_border, prob=prob)

    def get_indexes(self, dataset: Any) -> int:
        """Draw an image of the data set, one with objects if a few tries find one; the drawn one is the only one."""
        if dataset is self.results_cache:
            return 0
        for _ in range(self.max_iters):
            index = random.randrange(len(dataset))
            if dataset.get_data_info(index).get('instances'):
                break
        return index

    def transform(self, results: dict) -> dict:
        """Mix the image with that of ``mix_results``."""
        self.results_cache = list(results['mix_results'])
        return _mix(self, super().transform, results)


def _mix(transform: Any, run: Any, results: dict) -> dict:
    """Run mmdet's transform on an image and those in its cache, which is empty afterwards."""
    try:
        mixed: dict = run({key: value for key, value in results.items() if key != 'mix_results'})
    finally:
        transform.results_cache = []
    return mixed
