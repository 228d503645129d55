"""The detector as one graph: what mmdet's own steps find."""

import pytest
import torch
from mmdet.models.roi_heads.mask_heads.fcn_mask_head import _do_paste_mask
from mmdet.structures import DetDataSample

from tests.export.test_graphs import images_of


@pytest.mark.parametrize('size', [(160, 96), (32, 32)])  # of 32 x 32 there are few proposals
def test_instances_are_those_of_the_stock_detector(predict, size, monkeypatch):
    monkeypatch.setitem(predict.model.roi_head.test_cfg, 'max_per_img', 200)  # of several classes
    images = images_of(size)
    width, height = size
    sample = DetDataSample(metainfo=dict(img_shape=(height, width), ori_shape=(height, width), scale_factor=(1, 1)))
    graph = predict.graph()
    with torch.no_grad():
        boxes, scores, labels, masks = graph(images)
        stock = predict.model.test_step({'inputs': list(images.flip(1)), 'data_samples': [sample]})[0].pred_instances
        reference = graph.reference(images)
    assert len(boxes) == len(stock) > 2
    for found in ((boxes, scores, labels), reference[:3]):
        for tensor, name in zip(found, ('bboxes', 'scores', 'labels'), strict=True):
            assert torch.allclose(tensor, stock[name], atol=1e-4)
    assert len(labels.unique()) > 1
    pasted, _ = _do_paste_mask(masks[:, None], boxes, height, width, skip_empty=False)
    assert ((pasted >= 0.5) == stock.masks).float().mean() > 0.9999
    assert 0.01 < stock.masks.float().mean() < 0.99
    assert torch.allclose(masks, reference[3], atol=1e-5)


def test_nothing_found_is_nothing(predict, monkeypatch):
    monkeypatch.setitem(predict.model.roi_head.test_cfg, 'score_thr', 1.1)
    with torch.no_grad():
        found = predict.graph()(images_of((64, 64)))
    assert [tuple(tensor.shape) for tensor in found] == [(0, 4), (0,), (0,), (0, 28, 28)]
