"""Graphs of segmentors: the numbers of the stock model, from plain images."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from convnext_dense.errors import UserError
from convnext_dense.export.segmentation import AveragePool
from convnext_dense.inference import predictor as inference
from convnext_dense.io.image_size import ImageSize
from tests.export.test_graphs import images_of
from tests.helpers.small_models import CLASSES, ONE_CHANNEL, write_checkpoint, write_config
from tests.inference.test_predictor import scene


@pytest.mark.parametrize('size', [1, 2, 3, 6])
def test_average_pool_is_torchs_adaptive_one(size):
    for height, width in zip(range(1, 41), [7, 12, 5, 1] * 10, strict=True):
        x = torch.randn(2, 3, height, width)
        assert torch.allclose(AveragePool(size)(x), F.adaptive_avg_pool2d(x, size), atol=1e-6)


def test_segmentor_gives_what_its_model_predicts(predictors, monkeypatch):
    predict = predictors['segmentation']
    for key, value in (('mode', 'whole'), ('keep_logits', True)):
        monkeypatch.setitem(predict.model.test_cfg, key, value)
    image = scene(106, 75)
    with torch.no_grad():
        (logits,) = predict.graph()(images_of((106, 75)))
        (labels,) = predict.graph('labels')(images_of((106, 75)))
        sample = predict.model.test_step({'inputs': [torch.from_numpy(image.copy()).permute(2, 0, 1).flip(0)]})[0]
    assert torch.allclose(logits[0], sample.seg_logits.data, atol=1e-5)
    assert (labels == sample.pred_sem_seg.data).float().mean() > 0.999
    assert len(labels.unique()) == 3


def changed_segmentor(folder, model: str, classes=CLASSES):
    """The small segmentor with changes of its config."""
    base, config = write_config('segmentation', folder), folder / 'changed.py'
    config.write_text(f"_base_ = '{base}'\nmodel = {model}\n")
    checkpoint = write_checkpoint(config, folder / 'changed.pth', classes=classes)
    return inference.load(config, checkpoint, device='cpu', data='sample')


def head(type: str, **settings) -> str:
    deep = dict(in_channels=32, in_index=3)
    settings = {'channels': 16, 'num_classes': 3, **deep, **settings}
    return f'dict(decode_head=dict(_delete_=True, type="mmseg.{type}", **{settings}))'


@pytest.mark.parametrize(
    ('model', 'labels'),
    [
        (ONE_CHANNEL.format(threshold=0.4), 2),
        (ONE_CHANNEL.format(threshold=0.45), 2),
        ('dict(decode_head=dict(align_corners=True))', 3),
        ('dict(decode_head=dict(loss_decode=dict(use_sigmoid=True)))', 3),
        ('dict(data_preprocessor=dict(bgr_to_rgb=False))', 3),
        (head('EncHead', in_channels=[8, 16, 24, 32], in_index=[0, 1, 2, 3], num_codes=4), 3),
        (head('DAHead', pam_channels=8), 3),
        (
            'dict(decode_head=dict(_delete_=True, type="convnext_dense.LinearHead", in_channels=[24, 32], '
            'in_index=[2, 3], num_classes=3, norm_cfg=dict(type="BN")))',
            3,
        ),
    ],
    ids=[
        *('threshold 0.4', 'threshold 0.45', 'align_corners', 'many sigmoids', 'BGR', 'own predict', 'many outputs'),
        'linear',
    ],
)
def test_labels_of_any_head_are_those_of_predict(tmp_path, model, labels):
    predict = changed_segmentor(tmp_path, model, CLASSES[:labels])
    size = ImageSize(75, 106)
    with torch.no_grad():  # so that every class is the highest somewhere
        mean = predict.graph()(images_of((106, 75)))[0].mean((0, 2, 3))
        middle = torch.tensor(predict.model.decode_head.threshold or 0.5).logit()
        predict.model.decode_head.conv_seg.bias += middle - mean
    images, (result,) = predict.predict_whole([scene(106, 75)], size)
    with torch.no_grad():
        for output in ('labels', 'logits'):
            graph = predict.graph(output)
            (found,) = graph.as_predicted(graph(images), size)
            assert (found['labels'] == result.labels).mean() > 0.999, output
    assert len(np.unique(result.labels)) == labels


def test_a_single_channel_says_where_class_1_is(tmp_path):
    predict = changed_segmentor(tmp_path, ONE_CHANNEL.format(threshold=0.4), CLASSES[:2])
    graph = predict.graph()
    assert graph.outputs == {'logits': 'float32 (N, 1, H, W), before sigmoid; class 1 is where that is above 0.4'}
    images = images_of((64, 64))
    with torch.no_grad():
        (logits,) = graph(images)
        (labels,) = predict.graph('labels')(images)
    assert logits.shape == (1, 1, 64, 64) and torch.equal(labels, (logits[:, 0].sigmoid() > 0.4).long())


def test_padding_by_the_preprocessor_is_refused(tmp_path):
    with pytest.raises(UserError, match=r'as logits: its data_preprocessor\.test_cfg pads the images; '):
        changed_segmentor(tmp_path, 'dict(data_preprocessor=dict(test_cfg=dict(size_divisor=32)))').graph()
