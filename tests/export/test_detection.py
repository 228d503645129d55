"""The detector as one graph: what mmdet's own steps find."""

import numpy as np
import pytest
import torch
from mmdet.models.roi_heads.mask_heads.fcn_mask_head import _do_paste_mask
from mmdet.structures import DetDataSample
from PIL import Image

from convnext_dense.errors import UserError
from convnext_dense.export.detection import paste
from convnext_dense.inference import predictor as inference
from convnext_dense.inference.predictor import Predictor
from convnext_dense.io.image_size import ImageSize
from tests.export.test_graphs import images_of
from tests.helpers.mask_rcnn import write_mask_rcnn
from tests.helpers.small_models import CLASSES, write_checkpoint
from tests.inference.test_predictor import scene


@pytest.mark.parametrize('size', [(160, 96), (32, 32), (131, 70)])  # of 32 x 32 there are few proposals
def test_instances_are_those_of_the_stock_detector(predict, size, monkeypatch):
    monkeypatch.setitem(predict.model.roi_head.test_cfg, 'max_per_img', 200)  # of several classes
    images = images_of(size)
    width, height = size
    sample = DetDataSample(metainfo=dict(img_shape=(height, width), ori_shape=(height, width), scale_factor=(1, 1)))
    graph = predict.graph()
    with torch.no_grad():
        boxes, scores, labels, masks = graph(images)
        stock = predict.model.test_step({'inputs': list(images.flip(1)), 'data_samples': [sample]})[0].pred_instances
        (own,) = graph.as_predicted((boxes, scores, labels, masks), ImageSize(height, width))
    assert len(boxes) == len(stock) > 2
    for tensor, name in zip((boxes, scores, labels), ('bboxes', 'scores', 'labels'), strict=True):
        assert torch.allclose(tensor, stock[name], atol=1e-4)
    assert len(labels.unique()) > 1
    pasted, _ = _do_paste_mask(masks[:, None], boxes, height, width, skip_empty=False)
    assert ((pasted >= 0.5) == stock.masks).float().mean() > 0.9999
    assert 0.01 < stock.masks.float().mean() < 0.99
    assert torch.allclose(paste(masks, boxes, ImageSize(height, width)), pasted, atol=1e-5)
    assert np.array_equal(own['masks'], pasted >= 0.5) and np.array_equal(own['boxes'], boxes)


def test_nothing_found_is_nothing(predict, monkeypatch):
    monkeypatch.setitem(predict.model.roi_head.test_cfg, 'score_thr', 1.1)
    with torch.no_grad():
        found = predict.graph()(images_of((64, 64)))
    assert [tuple(tensor.shape) for tensor in found] == [(0, 4), (0,), (0,), (0, 28, 28)]


def load_variant(folder, model: str) -> Predictor:
    """The small Mask R-CNN with changes of its config."""
    config = folder / 'variant.py'
    config.write_text(f"_base_ = '{write_mask_rcnn(folder)}'\nmodel = {model}\n")
    checkpoint = write_checkpoint(config, folder / 'variant.pth', classes=CLASSES)
    return inference.load(config, checkpoint, device='cpu')


@pytest.mark.parametrize(
    'model',
    [
        'dict(roi_head=dict(mask_head=None, mask_roi_extractor=None))',
        'dict(rpn_head=dict(loss_cls=dict(use_sigmoid=False)))',
        'dict(test_cfg=dict(rcnn=dict(nms=dict(class_agnostic=True))))',
        'dict(test_cfg=dict(rcnn=dict(mask_thr_binary=0.3, score_thr=0.2), rpn=dict(min_bbox_size=20)))',
        'dict(data_preprocessor=dict(bgr_to_rgb=False, pad_size_divisor=64))',
    ],
)
def test_settings_are_followed(tmp_path, model):
    predict = load_variant(tmp_path, model)
    path = tmp_path / '0.png'
    Image.fromarray(scene(150, 100)).save(path)
    graph, size = predict.graph(), ImageSize(100, 150)
    images, (result,) = predict.predict_whole([path], size)
    with torch.no_grad():
        (found,) = graph.as_predicted(graph(images), size)
    assert len(result.boxes) > 2 and list(found) == list(graph.outputs)
    for name, array in found.items():
        assert np.allclose(array, getattr(result, name), atol=1e-3), name


@pytest.mark.parametrize(
    ('model', 'named'),
    [
        ('dict(test_cfg=dict(rcnn=dict(nms=dict(type="soft_nms"))))', 'test_cfg.rcnn.nms with type=soft_nms'),
        ('dict(test_cfg=dict(rpn=dict(nms=dict(max_num=10))))', 'test_cfg.rpn.nms with max_num=10'),
        ('dict(test_cfg=dict(rcnn=dict(max_per_img=-1)))', 'test_cfg.rcnn.max_per_img=-1'),
        (
            'dict(roi_head=dict(bbox_roi_extractor=dict(type="mmdet.GenericRoIExtractor")))',
            'GenericRoIExtractor, which is no SingleRoIExtractor or has a forward of its own',
        ),
        (
            'dict(roi_head=dict(type="mmdet.PointRendRoIHead", point_head=dict(type="mmdet.MaskPointHead", '
            'num_fcs=1, in_channels=16, fc_channels=16, num_classes=3)))',
            'PointRendRoIHead, which is no StandardRoIHead or has a predict_mask of its own',
        ),
    ],
)
def test_what_is_not_followed_is_refused(tmp_path, model, named):
    with pytest.raises(UserError) as error:
        load_variant(tmp_path, model).graph()
    reason = f'the file would not follow {named}; --task-output features exports its backbone'
    assert str(error.value) == f'MaskRCNN cannot be exported as instances: {reason}'


def test_nothing_is_pasted_outside_of_a_box():
    (pasted,) = paste(torch.ones(1, 28, 28), torch.tensor([[2.0, 1, 7, 4]]), ImageSize(6, 9))
    expected = torch.zeros(6, 9)
    expected[1:4, 2:7] = 1
    assert torch.equal(pasted >= 0.5, expected >= 0.5)
