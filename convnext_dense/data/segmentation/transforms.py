"""Transforms for semantic segmentation: loading masks, and faster versions of mmseg's crop and color distortion."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from ...registry import TRANSFORMS
from .mask_scan import UNLABELED


@TRANSFORMS.register_module()
class LoadMask(BaseTransform):
    """Transform that adds the ground truth ``gt_seg_map``: classes as uint8 (H, W), 255 where unlabeled.

    The mask was read by ``MaskFolder``; ``label_map`` has the class by the folder's own one, or is None. Transforms
    before this one change only the image, those after it both.
    """

    def transform(self, results: dict) -> dict:
        labels = as_classes(results['mask'], results['reduce_zero_label'], results['label_map'])
        results['gt_seg_map'] = labels
        results['seg_fields'].append('gt_seg_map')
        return results


def as_classes(mask: np.ndarray, reduce_zero_label: bool, label_map: Mapping[int, int] | None) -> np.ndarray:
    """Convert the labels of a mask (H, W) to classes, uint8, 255 where unlabeled.

    Args:
        mask: the labels.
        reduce_zero_label: label 0 means unlabeled, and label v class v - 1.
        label_map: the class by the folder's own one, or None.
    """
    labels = mask.astype(np.uint8)
    if reduce_zero_label:
        labels = np.where((labels == 0) | (labels == UNLABELED), UNLABELED, labels - 1).astype(np.uint8)
    if label_map is not None:
        table = LEVELS.copy()
        table[list(label_map)] = list(label_map.values())
        labels = table[labels]
    return labels


@TRANSFORMS.register_module()
class RandomCrop(BaseTransform):
    """mmseg's random crop with the same random numbers, ten times as fast because it counts labels without sorting.

    Labels are uint8, 255 where unlabeled, from :class:`LoadMask`.

    Args:
        crop_size: height and width in pixels, or one number for both; smaller sides are not cropped.
        cat_max_ratio: maximum share, in (0, 1], of the labeled pixels that a class may have. After 10 crops in which a
            class exceeds it, or is the only one, the next crop is used regardless.
    """

    def __init__(self, crop_size: int | tuple[int, int], cat_max_ratio: float = 1.0) -> None:
        self.crop_size = (crop_size, crop_size) if isinstance(crop_size, int) else crop_size
        self.cat_max_ratio = cat_max_ratio

    def transform(self, results: dict) -> dict:
        box = self._draw(results['img'])
        for _ in range(10 if self.cat_max_ratio < 1 else 0):
            counts = np.bincount(results['gt_seg_map'][box].ravel(), minlength=256)[:UNLABELED]
            if np.count_nonzero(counts) > 1 and counts.max() / counts.sum() < self.cat_max_ratio:
                break
            box = self._draw(results['img'])
        for key in ('img', *results['seg_fields']):
            results[key] = results[key][box]
        results['img_shape'] = results['img'].shape[:2]
        return results

    def _draw(self, image: np.ndarray) -> tuple[slice, slice]:
        height, width = self.crop_size
        top = np.random.randint(0, max(image.shape[0] - height, 0) + 1)
        left = np.random.randint(0, max(image.shape[1] - width, 0) + 1)
        return slice(top, top + height), slice(left, left + width)


@TRANSFORMS.register_module()
class PhotoMetricDistortion(BaseTransform):
    """mmseg's color distortion with default strength, with the same random numbers and results, by lookup tables.

    For other strengths use ``mmseg.PhotoMetricDistortion``.
    """

    def transform(self, results: dict) -> dict:
        draw, image = np.random, results['img']
        if draw.randint(2):
            image = cv2.LUT(image, _table(beta=draw.uniform(-32, 32)))
        contrast_first = draw.randint(2)
        for step in ('contrast', 'saturation', 'hue') if contrast_first else ('saturation', 'hue', 'contrast'):
            if not draw.randint(2):
                continue
            if step == 'contrast':
                image = cv2.LUT(image, _table(alpha=draw.uniform(0.5, 1.5)))
            elif step == 'saturation':
                image = _in_hsv(image, 1, _table(alpha=draw.uniform(0.5, 1.5)))
            else:
                image = _in_hsv(image, 0, ((LEVELS.astype(int) + draw.randint(-18, 18)) % 180).astype(np.uint8))
        results['img'] = image
        return results


LEVELS = np.arange(256, dtype=np.uint8)


def _table(alpha: float = 1.0, beta: float = 0.0) -> np.ndarray:
    """Map each of the 256 levels to ``alpha * level + beta``."""
    return np.clip(LEVELS.astype(np.float32) * alpha + beta, 0, 255).astype(np.uint8)


def _in_hsv(bgr: np.ndarray, channel: int, table: np.ndarray) -> np.ndarray:
    """Map the levels of one channel of an image in HSV."""
    hsv = cv2.cvtColor(bgr, cv2.COLOR_BGR2HSV)
    cv2.insertChannel(cv2.LUT(cv2.extractChannel(hsv, channel), table), hsv, channel)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)
