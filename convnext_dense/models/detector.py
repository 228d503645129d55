"""What the detectors need beyond mmdet's parts."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Sequence

with contextlib.redirect_stdout(io.StringIO()):  # it says, twice, that a package which it can do without is absent
    import mmdet.datasets  # noqa: F401

import torch
from mmcv.ops import batched_nms
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
from mmdet.structures import DetDataSample
from mmengine.model import BaseTTAModel
from mmengine.structures import InstanceData
from torch import Tensor

from ..errors import UserError
from ..registry import MODELS

warnings.filterwarnings('ignore', message='To copy construct from a tensor')  # mmdet does, where it pastes masks


@MODELS.register_module()
class RoIExtractor(SingleRoIExtractor):
    """mmdet's, in float32 whatever the precision of the features; for the heads' convolutions in ``channels_last``.

    mmdet rounds the boxes to the features' type. In float16 their corners, up to 1333 pixels, come in steps of 1, in
    bfloat16 in steps of 8, which moves the crops that the heads are trained on.
    """

    def forward(self, feats: Sequence[Tensor], rois: Tensor, roi_scale_factor: float | None = None) -> Tensor:
        pooled = super().forward(tuple(feat.float() for feat in feats), rois.float(), roi_scale_factor)
        return pooled.to(feats[0].dtype, memory_format=torch.channels_last)


@MODELS.register_module()
class DetectorTTA(BaseTTAModel):
    """Merges the predictions for several views of each image: all boxes together go through one more NMS.

    A mask goes with its box. Boxes and masks come at the image's original size; those of a flipped view are flipped
    back.

    Args:
        module: the detector.
        nms: as in the detector's ``test_cfg.rcnn``.
        max_per_img: how many instances stay for each image.
    """

    def __init__(self, module: dict, nms: dict, max_per_img: int) -> None:
        super().__init__(module)
        self.nms = nms
        self.max_per_img = max_per_img

    def test_step(self, data: dict) -> list[DetDataSample]:
        predictions = []
        for inputs, samples in zip(data['inputs'], data['data_samples'], strict=True):
            flips = [sample.flip_direction for sample in samples]
            for sample in samples:  # mmdet would turn masks back by itself, and fails at it
                sample.set_metainfo(dict(flip=False, flip_direction=None))
            found = self.module.test_step(dict(inputs=inputs, data_samples=samples))
            predictions.append([_upright(sample, flip) for sample, flip in zip(found, flips, strict=True)])
        return self.merge_preds(list(zip(*predictions, strict=True)))

    def merge_preds(self, data_samples_list: Sequence[Sequence[DetDataSample]]) -> list[DetDataSample]:
        return [self._merge(views) for views in data_samples_list]

    def _merge(self, views: Sequence[DetDataSample]) -> DetDataSample:
        merged = views[0]
        instances = InstanceData.cat([view.pred_instances for view in views])
        rows, keep = batched_nms(instances.bboxes, instances.scores, instances.labels, self.nms)
        instances = instances[keep[: self.max_per_img]]
        instances.scores = rows[: self.max_per_img, -1]
        merged.pred_instances = instances
        return merged


def _upright(view: DetDataSample, flip: str | None) -> DetDataSample:
    """A view's instances in the image as it is, with no flip."""
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
