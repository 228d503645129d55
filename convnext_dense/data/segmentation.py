"""Image/mask folders as a data set for mmseg's transforms and segmentors.

A config names this module in its ``custom_imports``: the package alone does not import mmcv, which this needs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.dataset import BaseDataset

from ..drawing import palette
from ..errors import UserError
from ..registry import DATASETS, TRANSFORMS
from .dense import DenseDataset
from .mask_scan import UNLABELLED, read_mask
from .masks import check_masks, find_masks, mask_classes


@DATASETS.register_module()
class MaskFolder(DenseDataset, BaseDataset):
    """Images with a label for each pixel, in ADE20K's layout.

    ``metainfo`` has ``classes``, the K names, and ``palette``, K colours as [R, G, B] in 0..255. What a pipeline
    gets is what mmseg's transforms want, after ``convnext_dense.LoadImage``.

    Args:
        root: see :func:`~convnext_dense.data.masks.find_masks`, and for the names of the classes
            :func:`~convnext_dense.data.masks.mask_classes`.
        split: ``'training'`` or ``'validation'``.
        pipeline: transforms, such as mmseg's.
        reduce_zero_label: label 0 means unlabelled and label v class v - 1, as in ADE20K.
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
        info['mask'] = read_mask(info['seg_map_path'], seen=True)
        info['height'], info['width'] = info['mask'].shape[:2]  # the image is turned to fit its mask
        return self.pipeline(info)


@TRANSFORMS.register_module()
class LoadMask(BaseTransform):
    """Hand on the mask that ``MaskFolder`` has read: ``gt_seg_map``, uint8 (H, W), 255 where unlabelled.

    Transforms before it leave the truth alone, those after it change it with the image.
    """

    def transform(self, results: dict) -> dict:
        labels = results['mask'].astype(np.uint8)
        if results['reduce_zero_label']:
            labels = np.where((labels == 0) | (labels == UNLABELLED), UNLABELLED, labels - 1).astype(np.uint8)
        results['gt_seg_map'] = labels
        results['seg_fields'].append('gt_seg_map')
        return results
