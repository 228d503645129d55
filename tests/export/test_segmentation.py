"""Graphs of segmentors: the numbers of the stock model, from plain images."""

import pytest
import torch
import torch.nn.functional as F

from convnext_dense.export.segmentation import AveragePool
from tests.export.test_graphs import images_of
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
