"""mmdet's SSD, which fails in prediction without a loss."""

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope

import convnext_dense.models.detector  # noqa: F401 - makes the change
from convnext_dense.compat.mmdet_ssd_loss import give_loss

IMAGE = dict(img_shape=(64, 64), scale_factor=(1.0, 1.0), ori_shape=(64, 64))


def predict() -> int:
    """Return the number of objects that a head with random weights finds."""
    from mmdet.models.dense_heads import SSDHead

    anchors = dict(type='mmdet.SSDAnchorGenerator', scale_major=False, min_sizes=[8, 16], max_sizes=[16, 32])
    test_cfg = ConfigDict(nms_pre=10, score_thr=0.0, nms=dict(type='nms', iou_threshold=0.5), max_per_img=5)
    anchors.update(strides=[8, 16], ratios=[[2], [2]])
    with DefaultScope.overwrite_default_scope('mmdet'):
        head = SSDHead(2, (4, 4), anchor_generator=anchors, test_cfg=test_cfg)
    outputs = head([torch.rand(1, 4, 8, 8), torch.rand(1, 4, 4, 4)])
    return len(head.predict_by_feat(*outputs, batch_img_metas=[IMAGE], rescale=False)[0])


def test_mmdet_still_fails_and_predicts_with_the_change():
    from mmdet.models.dense_heads import SSDHead

    assert predict() == 5
    del SSDHead.loss_cls
    try:
        with pytest.raises(AttributeError, match='loss_cls'):  # otherwise remove mmdet_ssd_loss.py
            predict()
    finally:
        give_loss(SSDHead)
    assert predict() == 5
