"""The detector as one graph: what mmdet's own steps find."""

from pathlib import Path

import onnxruntime
import pytest
import torch
from mmdet.models.roi_heads.mask_heads.fcn_mask_head import _do_paste_mask
from mmdet.structures import DetDataSample

from convnext_dense.export.write import INPUT, write
from convnext_dense.inference import predictor as inference
from convnext_dense.inference.predictor import Predictor
from convnext_dense.io.image_size import ImageSize
from tests.export.test_graphs import images_of
from tests.helpers.small_models import ARCH, CLASSES, ROOT, write_checkpoint, write_config

# of two levels, since each makes the graph longer
MASK_RCNN = f"""
_base_ = '{ROOT / 'configs/det/mask_rcnn_convnext_t_coco.py'}'
model = dict(
    {ARCH.replace('dict(arch', 'dict(out_indices=(2, 3), arch')},
    neck=dict(in_channels=[24, 32], out_channels=16, num_outs=2),
    rpn_head=dict(in_channels=16, feat_channels=16, anchor_generator=dict(strides=[16, 32])),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=16, featmap_strides=[16, 32]),
        bbox_head=dict(in_channels=16, fc_out_channels=32),
        mask_roi_extractor=dict(out_channels=16, featmap_strides=[16, 32]),
        mask_head=dict(in_channels=16, conv_out_channels=16),
    ),
)
"""


def write_mask_rcnn(folder: Path) -> Path:
    path = folder / 'mask_rcnn.py'
    path.write_text(MASK_RCNN)
    return path


@pytest.fixture(scope='module', params=['cascade', 'mask_rcnn'])
def predict(request, tmp_path_factory) -> Predictor:
    folder = tmp_path_factory.mktemp('models')
    config = write_config('detection', folder) if request.param == 'cascade' else write_mask_rcnn(folder)
    checkpoint = write_checkpoint(config, folder / 'detector.pth', classes=CLASSES)
    return inference.load(config, checkpoint, device='cpu', data='sample')


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


def test_a_file_names_only_sizes_that_are_equal(predict, tmp_path, capfd):
    """A runtime that finds two sizes behind one name warns of each."""
    graph, images = predict.graph(), images_of((64, 64))
    write(graph, tmp_path / 'model.onnx', ImageSize(64, 64), dynamic=False, about={})
    session = onnxruntime.InferenceSession(tmp_path / 'model.onnx', providers=['CPUExecutionProvider'])
    assert [output.shape for output in session.get_outputs()][:2] == [['detections', 4], ['detections']]
    session.run(None, {INPUT: images.numpy()})
    assert capfd.readouterr().err == ''


def test_nothing_found_is_nothing(predict, monkeypatch):
    monkeypatch.setitem(predict.model.roi_head.test_cfg, 'score_thr', 1.1)
    with torch.no_grad():
        found = predict.graph()(images_of((64, 64)))
    assert [tuple(tensor.shape) for tensor in found] == [(0, 4), (0,), (0,), (0, 28, 28)]
