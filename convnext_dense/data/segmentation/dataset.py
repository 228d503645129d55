"""Image/mask folders as a data set for mmseg's transforms and segmentors.

A config names this module in its ``custom_imports``: the package alone does not import mmcv, which this needs.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.dataset import BaseDataset

from ...errors import UserError
from ...registry import DATASETS, TRANSFORMS
from ...results.drawing import palette
from ..dense import DenseDataset
from .mask_scan import UNLABELED, read_mask
from .masks import check_masks, find_masks, mask_classes


@DATASETS.register_module()
class MaskFolder(DenseDataset, BaseDataset):
    """Images with a label for each pixel, in ADE20K's layout.

    ``metainfo`` has ``classes``, the K names, and ``palette``, K colors as [R, G, B] in 0..255. What a pipeline
    gets is what mmseg's transforms want, after ``convnext_dense.LoadImage``.

    Args:
        root: see :func:`~convnext_dense.data.segmentation.masks.find_masks`, and for the names of the classes
            :func:`~convnext_dense.data.segmentation.masks.mask_classes`.
        split: ``'training'`` or ``'validation'``.
        pipeline: transforms, such as mmseg's.
        reduce_zero_label: label 0 means unlabeled and label v class v - 1, as in ADE20K.
        test_mode: an image that can't be read is left out rather than replaced.
        on_bad_image: ``'stop'`` raises an error that names an unreadable image, ``'skip'`` goes on without it.
        indices: only the first so many images, or only these.

    Raises:
        UserError: for a wrong layout, for masks that can't be used, and for a mask that turns unreadable later.
    """

    def __init__(
        self,
        root: str,
        split: str,
        pipeline: Sequence[dict],
        reduce_zero_label: bool = True,
        test_mode: bool = False,
        on_bad_image: str = 'stop',
        indices: int | Sequence[int] | None = None,
    ) -> None:
        if on_bad_image not in ('stop', 'skip'):
            raise UserError(f"on_bad_image {on_bad_image!r} does not exist: take 'stop' or 'skip'")
        self.root, self.split = root, split
        self.reduce_zero_label = reduce_zero_label
        self.on_bad_image = on_bad_image
        classes = tuple(mask_classes(root, reduce_zero_label))
        metainfo = {'classes': classes, 'palette': palette(len(classes)).tolist()}
        super().__init__(metainfo=metainfo, pipeline=pipeline, test_mode=test_mode, indices=indices)

    def load_data_list(self) -> list[dict]:
        pairs = find_masks(self.root, self.split)
        check_masks(pairs, len(self._metainfo['classes']), self.reduce_zero_label)
        zero = self.reduce_zero_label
        return [
            dict(img_path=image, seg_map_path=mask, label_map=None, reduce_zero_label=zero, seg_fields=[])
            for image, mask in pairs
        ]

    def prepare_data(self, index: int) -> dict | None:
        info = self.get_data_info(index)
        info['mask'] = read_mask(info['seg_map_path'], retry_missing=True)
        info['height'], info['width'] = info['mask'].shape[:2]  # the image is turned to fit its mask
        return self.pipeline(info)


@TRANSFORMS.register_module()
class LoadMask(BaseTransform):
    """Hand on the mask that ``MaskFolder`` has read: ``gt_seg_map``, uint8 (H, W), 255 where unlabeled.

    Transforms before it leave the ground truth alone, those after it change it with the image.
    """

    def transform(self, results: dict) -> dict:
        labels = results['mask'].astype(np.uint8)
        if results['reduce_zero_label']:
            labels = np.where((labels == 0) | (labels == UNLABELED), UNLABELED, labels - 1).astype(np.uint8)
        results['gt_seg_map'] = labels
        results['seg_fields'].append('gt_seg_map')
        return results


@TRANSFORMS.register_module()
class RandomCrop(BaseTransform):
    """mmseg's random crop, draw for draw; it counts labels rather than sort them, in a tenth of the time.

    Labels are uint8, 255 for none, as :class:`LoadMask` gives them.

    Args:
        crop_size: height and width in pixels, or both in one; where the image is smaller, all of it is taken.
        cat_max_ratio: the largest share, in (0, 1], that a class may have of the labeled pixels; after 10 crops in
            which one had more, or the only one, the next is taken as it is.
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
    """mmseg's, with its default strengths, draw for draw and level for level; levels are looked up.

    For other strengths take ``mmseg.PhotoMetricDistortion``.
    """

    def transform(self, results: dict) -> dict:
        draw, image = np.random, results['img']
        if draw.randint(2):
            image = cv2.LUT(image, _scaled(beta=draw.uniform(-32, 32)))
        contrast_first = draw.randint(2)
        for step in ('contrast', 'saturation', 'hue') if contrast_first else ('saturation', 'hue', 'contrast'):
            if not draw.randint(2):
                continue
            if step == 'contrast':
                image = cv2.LUT(image, _scaled(alpha=draw.uniform(0.5, 1.5)))
            elif step == 'saturation':
                image = _in_hsv(image, 1, _scaled(alpha=draw.uniform(0.5, 1.5)))
            else:
                image = _in_hsv(image, 0, ((LEVELS.astype(int) + draw.randint(-18, 18)) % 180).astype(np.uint8))
        results['img'] = image
        return results


LEVELS = np.arange(256, dtype=np.uint8)


def _scaled(alpha: float = 1.0, beta: float = 0.0) -> np.ndarray:
    return np.clip(LEVELS.astype(np.float32) * alpha + beta, 0, 255).astype(np.uint8)


def _in_hsv(bgr: np.ndarray, channel: int, table: np.ndarray) -> np.ndarray:
    hsv = cv2.cvtColor(bgr, cv2.COLOR_BGR2HSV)
    cv2.insertChannel(cv2.LUT(cv2.extractChannel(hsv, channel), table), hsv, channel)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)
