"""Extensions of mmdet's detectors: RoI features in float32, ignore regions, objects without masks, sizes, views."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from mmcv.ops import batched_nms
from mmengine.logging import MessageHub
from mmengine.model import BaseTTAModel
from mmengine.structures import InstanceData
from torch import Tensor

from ..compat.mmdet_call_warnings import silence_call_warnings
from ..compat.mmdet_imports import light_imports
from ..compat.mmdet_mask_warning import silence_mask_warning
from ..compat.mmdet_masks_outside import paste_nothing_outside
from ..compat.mmdet_ssd_loss import give_loss
from ..errors import UserError
from ..io.coco_format import IGNORE_REGION, UNMASKED
from ..registry import MODELS, TASK_UTILS
from .band_preprocessor import TakesBands

with light_imports():
    import mmdet.datasets  # noqa: F401 - registers data sets and transforms, as the next does models
    from mmdet.models.data_preprocessors import BatchSyncRandomResize as MmdetBatchSyncRandomResize
    from mmdet.models.data_preprocessors import DetDataPreprocessor
    from mmdet.models.dense_heads import CenterNetHead as MmdetCenterNetHead
    from mmdet.models.dense_heads import SSDHead
    from mmdet.models.detectors import DDQDETR as MmdetDDQDETR
    from mmdet.models.roi_heads.bbox_heads import DoubleConvFCBBoxHead as MmdetDoubleConvFCBBoxHead
    from mmdet.models.roi_heads.mask_heads import FCNMaskHead as MmdetFCNMaskHead
    from mmdet.models.roi_heads.mask_heads import GridHead as MmdetGridHead
    from mmdet.models.roi_heads.mask_heads import fcn_mask_head
    from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
    from mmdet.models.task_modules.assigners import AssignResult
    from mmdet.models.task_modules.assigners import MaxIoUAssigner as MmdetMaxIoUAssigner
    from mmdet.structures import DetDataSample
    from mmdet.structures.mask import BitmapMasks

give_loss(SSDHead)
paste_nothing_outside(fcn_mask_head)
silence_call_warnings()

IN_REGION = 0.5
"""Share of a box in an ignore region above which it is not background."""


@MODELS.register_module()
class DetBandPreprocessor(TakesBands, DetDataPreprocessor):
    """mmdet's ``DetDataPreprocessor`` for any number of bands."""


@MODELS.register_module()
class RoIExtractor(SingleRoIExtractor):
    """mmdet's ``SingleRoIExtractor``, computed in float32 for features of any precision.

    mmdet rounds the boxes to the features' dtype. Box corners of up to 1333 pixels are then rounded to multiples of 1
    in float16 and of 8 in bfloat16, which shifts the crops that the heads are trained on.
    """

    of_this_process = ('_used',)  # no state of the run, for convnext_dense.engine.remembered

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._used = False

    def forward(self, feats: Sequence[Tensor], rois: Tensor, roi_scale_factor: float | None = None) -> Tensor:
        """Pool the features of regions.

        Args:
            feats: a tensor (N, C, H, W) for each level, finest first.
            rois: (K, 5), image index and x1 y1 x2 y2 in pixels of the image.
            roi_scale_factor: enlarges the regions.

        Returns:
            A tensor (K, C, h, w) with the features' dtype, in ``channels_last`` for the heads' convolutions.
        """
        if not self._used:  # not when it is built: what builds models restores the filters of warnings
            silence_mask_warning()
            self._used = True
        pooled = super().forward(tuple(feat.float() for feat in feats), rois.float(), roi_scale_factor)
        return pooled.to(feats[0].dtype, memory_format=torch.channels_last)


@TASK_UTILS.register_module()
class MaxIoUAssigner(MmdetMaxIoUAssigner):
    """mmdet's ``MaxIoUAssigner``, which takes no background from the ignore regions of our ``CocoDataset``.

    Those are the ignored instances with the label :data:`~convnext_dense.io.coco_format.IGNORE_REGION`. Boxes that
    would be background are not used if their center or more than half of them lies in one. Nothing else changes: for
    crowds ``ignore_iof_thr`` decides, which is off in the published recipes.
    """

    def assign(
        self,
        pred_instances: InstanceData,
        gt_instances: InstanceData,
        gt_instances_ignore: InstanceData | None = None,
        **kwargs: Any,
    ) -> AssignResult:
        """Assign a ground truth to each of ``pred_instances.priors`` (N, 4), x1 y1 x2 y2 in pixels.

        Returns:
            ``gt_inds`` (N): 1 and above for ground truths, 0 for background, -1 for boxes that are not used.
        """
        result = super().assign(pred_instances, gt_instances, gt_instances_ignore, **kwargs)
        if gt_instances_ignore is not None and 'labels' in gt_instances_ignore:
            regions = gt_instances_ignore.bboxes[gt_instances_ignore.labels == IGNORE_REGION]
            if len(regions) and len(result.gt_inds):
                inside = _are_inside(pred_instances.priors, self.iou_calculator, regions)
                result.gt_inds[inside & (result.gt_inds == 0)] = -1
        return result


@MODELS.register_module()
class FCNMaskHead(MmdetFCNMaskHead):
    """mmdet's ``FCNMaskHead``, whose loss leaves out the objects that have no mask in the data.

    Our ``CocoDataset`` fills their bitmaps with :data:`~convnext_dense.io.coco_format.UNMASKED`. Nothing else changes.
    """

    def loss_and_target(
        self, mask_preds: Tensor, sampling_results: list, batch_gt_instances: list[InstanceData], rcnn_train_cfg: Any
    ) -> dict:
        """Compute the loss of the regions of objects with a mask.

        Args:
            mask_preds: logits of the positive regions of all images, (P, K, h, w).
            sampling_results: mmdet's ``SamplingResult`` of each image.
            batch_gt_instances: the ground truth of each image, with ``bboxes`` and ``masks``.
            rcnn_train_cfg: the ``train_cfg`` of the stage.

        Returns:
            ``loss_mask``, 0 without such a region, and ``mask_targets`` of these regions.
        """
        have_mask = [~_are_unmasked(instances) for instances in batch_gt_instances]
        if all(of_image.all() for of_image in have_mask):
            return super().loss_and_target(mask_preds, sampling_results, batch_gt_instances, rcnn_train_cfg)
        chosen, kept = [], []
        for result, of_image in zip(sampling_results, have_mask, strict=True):
            keep = torch.from_numpy(of_image).to(mask_preds.device)[result.pos_assigned_gt_inds]
            names = ('pos_priors', 'pos_assigned_gt_inds', 'pos_gt_labels')
            kept.append(SimpleNamespace(**{name: getattr(result, name)[keep] for name in names}))
            chosen.append(keep)
        return super().loss_and_target(mask_preds[torch.cat(chosen)], kept, batch_gt_instances, rcnn_train_cfg)


@MODELS.register_module()
class CenterNetHead(MmdetCenterNetHead):
    """mmdet's ``CenterNetHead``, which also predicts without a border around images and in any memory format.

    mmdet's needs the border that CenterNet's own test pipeline adds, and fails on maps in ``channels_last``. Nothing
    else changes.
    """

    def predict_by_feat(self, *maps: list[Tensor], batch_img_metas: list[dict], **kwargs: Any) -> list[InstanceData]:
        """Convert the maps of centers, sizes and offsets of a batch to boxes, scores and labels of each image."""
        metas = [{'border': np.zeros(4, np.float32), **meta} for meta in batch_img_metas]
        contiguous = [[level.contiguous() for level in levels] for levels in maps]
        return super().predict_by_feat(*contiguous, batch_img_metas=metas, **kwargs)


@MODELS.register_module()
class DDQDETR(MmdetDDQDETR):
    """mmdet's ``DDQDETR`` with the same weights in training and testing.

    In training, mmdet's decoder gets branches of the head as parts of its own, whose weights a checkpoint would then
    have twice, and a model that has not been trained yet would not know.
    """

    def pre_decoder(self, *args: Any, **kwargs: Any) -> tuple[dict, dict]:
        """Prepare what decoder and head take."""
        prepared = super().pre_decoder(*args, **kwargs)
        if (branches := self.decoder._modules.pop('aux_reg_branches', None)) is not None:
            self.decoder.__dict__['aux_reg_branches'] = branches  # known, and no part of it
        return prepared


@MODELS.register_module()
class DoubleConvFCBBoxHead(MmdetDoubleConvFCBBoxHead):
    """mmdet's ``DoubleConvFCBBoxHead`` for features in either memory format, which it views as vectors."""

    def forward(self, x_cls: Tensor, x_reg: Tensor) -> tuple[Tensor, Tensor]:
        """Return scores (K, classes + 1) and box deltas of K regions, of two features (K, C, h, w) of each."""
        return super().forward(x_cls.contiguous(), x_reg)


@MODELS.register_module()
class GridHead(MmdetGridHead):
    """mmdet's ``GridHead`` for maps in either memory format, which it views as vectors."""

    def predict_by_feat(self, grid_preds: dict[str, Tensor], *args: Any, **kwargs: Any) -> list[InstanceData]:
        """Return the results of each image with boxes adjusted by maps (N, points, h, w) of N regions."""
        contiguous = {name: maps.contiguous() for name, maps in grid_preds.items()}
        return super().predict_by_feat(contiguous, *args, **kwargs)


@MODELS.register_module()
class BatchSyncRandomResize(MmdetBatchSyncRandomResize):
    """mmdet's ``BatchSyncRandomResize``, whose sizes depend on the run's seed and the step alone.

    mmdet's draws a size every ``interval`` steps and remembers it, which a resumed run does not. Here every process
    draws it anew from the seed and the number of the interval; in the first one, batches keep their size, and the
    aspect ratio is that of the batch.
    """

    def forward(self, inputs: Tensor, data_samples: list[DetDataSample]) -> tuple[Tensor, list[DetDataSample]]:
        """Resize a batch (N, 3, H, W) and its boxes."""
        hub = MessageHub.get_current_instance()
        interval, (height, width) = hub.get_info('iter') // self._interval, inputs.shape[-2:]
        self._input_size = (height, width)
        if interval:
            side = random.Random(f'{hub.get_info("seed", 0)} {interval}').randint(*self._random_size_range)
            self._input_size = (self._size_divisor * side, self._size_divisor * int(width / height * side))
        return super().forward(inputs, data_samples)

    def _get_random_size(self, aspect_ratio: float, device: torch.device) -> tuple[int, int]:
        """Return the size of this batch: the next one is drawn when it is there."""
        return self._input_size


@MODELS.register_module()
class DetectorTTA(BaseTTAModel):
    """Test-time augmentation of a detector: the boxes of all views of an image go through one more NMS.

    Masks follow their boxes. Boxes and masks are at the image's original size; those of a flipped view are flipped
    back.

    Args:
        module: config of the detector.
        nms: config of the NMS, as in the detector's ``test_cfg.rcnn``.
        max_per_img: maximum number of instances per image.
    """

    def __init__(self, module: dict, nms: dict, max_per_img: int) -> None:
        super().__init__(module)
        self.nms = nms
        self.max_per_img = max_per_img

    def test_step(self, data: dict) -> list[DetDataSample]:
        """Predict for a batch of views: ``inputs`` and ``data_samples`` have one list for each view.

        Raises:
            UserError: if a view is flipped other than horizontally.
        """
        predictions = []
        for inputs, samples in zip(data['inputs'], data['data_samples'], strict=True):
            flips = [sample.flip_direction for sample in samples]
            for sample in samples:  # otherwise mmdet tries to flip the masks back, and fails
                sample.set_metainfo(dict(flip=False, flip_direction=None))
            results = self.module.test_step(dict(inputs=inputs, data_samples=samples))
            predictions.append([_flip_back(sample, flip) for sample, flip in zip(results, flips, strict=True)])
        return self.merge_preds(list(zip(*predictions, strict=True)))

    def merge_preds(self, data_samples_list: Sequence[Sequence[DetDataSample]]) -> list[DetDataSample]:
        return [self._merge(views) for views in data_samples_list]

    def _merge(self, views: Sequence[DetDataSample]) -> DetDataSample:
        merged = views[0]
        instances = InstanceData.cat([view.pred_instances for view in views])
        if not len(instances):  # on which mmcv's NMS fails
            return merged
        rows, keep = batched_nms(instances.bboxes, instances.scores, instances.labels, self.nms)
        instances = instances[keep[: self.max_per_img]]
        instances.scores = rows[: self.max_per_img, -1]
        merged.pred_instances = instances
        return merged


def _are_unmasked(instances: InstanceData) -> np.ndarray:
    """Find the objects that are marked as being without a mask, by the pixels at the centers of their boxes.

    Args:
        instances: G objects with ``bboxes`` (G, 4), x1 y1 x2 y2 in pixels, and ``masks``.

    Returns:
        bool (G).
    """
    masks = instances.masks
    if not isinstance(masks, BitmapMasks) or not len(masks):
        return np.zeros(len(masks), bool)
    boxes = instances.bboxes.detach().cpu().numpy()
    x, y = (
        ((boxes[:, axis] + boxes[:, axis + 2]) / 2).astype(int).clip(0, side - 1)
        for axis, side in ((0, masks.width), (1, masks.height))
    )
    return masks.masks[np.arange(len(masks)), y, x] == UNMASKED


def _are_inside(boxes: Tensor, calculate_iou: Callable[..., Tensor], regions: Tensor) -> Tensor:
    """Find the boxes that lie in a region: with more than half, or, as anchors beyond the image may, with the center.

    Args:
        boxes: (N, 4), x1 y1 x2 y2 in pixels.
        calculate_iou: mmdet's calculator of overlaps.
        regions: (R, 4).

    Returns:
        bool (N).
    """
    centers = (boxes[:, None, :2] + boxes[:, None, 2:]) / 2
    has_center = ((centers >= regions[:, :2]) & (centers <= regions[:, 2:])).all(dim=2).any(dim=1)
    return has_center | (calculate_iou(boxes, regions, mode='iof').amax(dim=1) > IN_REGION)


def _flip_back(view: DetDataSample, flip: str | None) -> DetDataSample:
    """Convert the instances of a flipped view to coordinates of the original image."""
    if flip is None:
        return view
    if flip != 'horizontal':
        raise UserError(f'test-time augmentation flips horizontally, not {flip}')
    instances, width = view.pred_instances, view.ori_shape[1]
    x1, y1, x2, y2 = instances.bboxes.unbind(-1)
    instances.bboxes = torch.stack([width - x2, y1, width - x1, y2], dim=-1)
    if 'masks' in instances:
        instances.masks = instances.masks.flip(-1)
    return view
