"""What the detectors need beyond mmdet's parts."""

from __future__ import annotations

from collections.abc import Sequence

from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
from torch import Tensor

from ..registry import MODELS


@MODELS.register_module()
class RoIExtractor(SingleRoIExtractor):
    """mmdet's, in float32 whatever the precision of the features.

    mmdet rounds the boxes to the features' type. In float16 their corners, up to 1333 pixels, come in steps of 1, in
    bfloat16 in steps of 8, which moves the crops that the heads are trained on.
    """

    def forward(self, feats: Sequence[Tensor], rois: Tensor, roi_scale_factor: float | None = None) -> Tensor:
        pooled = super().forward(tuple(feat.float() for feat in feats), rois.float(), roi_scale_factor)
        return pooled.to(feats[0].dtype)
