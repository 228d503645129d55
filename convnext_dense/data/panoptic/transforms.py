"""Transform that loads panoptic ground truth for training, as mmdet's transforms and models take it."""

from __future__ import annotations

import numpy as np
from mmcv.transforms import BaseTransform

from ...compat.mmdet_imports import light_imports
from ...errors import BadImage, UserError
from ...io.coco_format import IGNORE_REGION
from ...io.color_masks import RESTORE
from ...io.images import UNLABELED
from ...io.mask_box import box_around
from ...io.panoptic import PanopticTruth, Segments, read_segments
from ...registry import TRANSFORMS

with light_imports():
    from mmdet.structures.bbox import HorizontalBoxes
    from mmdet.structures.mask import BitmapMasks


@TRANSFORMS.register_module()
class LoadPanoptic(BaseTransform):
    """Transform that loads what ``mmdet.LoadPanopticAnnotations`` does, without panopticapi.

    It takes ``panoptic`` of a :class:`~convnext_dense.data.panoptic.dataset.PanopticDataset` and adds, for the N
    things of an image in the order of its segments,

    - ``gt_masks``: ``BitmapMasks`` of N masks, uint8 (N, H, W);
    - ``gt_bboxes``: ``HorizontalBoxes`` (N, 4), x1, y1, x2, y2 in pixels, the smallest ones around the masks;
    - ``gt_bboxes_labels``: int64 (N,), in [0, number of things);
    - ``gt_ignore_flags``: bool (N,), all False but for ignore regions of a tile;
    - ``gt_seg_map``: int32 (H, W), the class of each pixel, things first; 255 where it is unlabeled or a crowd.

    Crowds are no things to learn, and nothing is learned in their pixels. Segments without a pixel are left out.

    Of a tile, ``segments`` are those that were read already. The things in ``ignored_things`` are ignore regions, with
    the label :data:`~convnext_dense.io.coco_format.IGNORE_REGION` and the flag True; their pixels are unlabeled.

    Raises:
        BadImage: if the PNG file can't be read, is not of the image's size, or has segments that are not listed.
    """

    def transform(self, results: dict) -> dict:
        truth = results['panoptic']
        ids, segments = results.pop('segments', None) or self._read(truth)
        ignored = results.pop('ignored_things', ())
        semantic = np.full(ids.shape, UNLABELED, np.int32)
        masks, boxes, labels = [], [], []
        for segment in segments:
            if segment['iscrowd'] or not segment['area']:
                continue
            mask = ids == segment['id']
            is_ignored = segment['id'] in ignored
            if not is_ignored:
                semantic[mask] = segment['label']
            if segment['label'] < truth['things']:
                masks.append(mask.astype(np.uint8))
                boxes.append(box_around(mask))
                labels.append(IGNORE_REGION if is_ignored else segment['label'])
        results['gt_masks'] = BitmapMasks(masks, *ids.shape)
        results['gt_bboxes'] = HorizontalBoxes(np.array(boxes, np.float32).reshape(-1, 4))
        results['gt_bboxes_labels'] = np.array(labels, np.int64)
        results['gt_ignore_flags'] = np.array(labels, np.int64) == IGNORE_REGION
        results['gt_seg_map'] = semantic
        return results

    def _read(self, truth: PanopticTruth) -> Segments:
        try:
            return read_segments(truth, retry_missing=True)
        except UserError as error:
            raise BadImage(str(error).removesuffix(RESTORE)) from None
