"""Graphs: the numbers of the stock models, from plain images."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from convnext_dense.config.read import read_config
from convnext_dense.engine.building import build_model
from convnext_dense.errors import UserError
from convnext_dense.export.segmentation import AveragePool
from convnext_dense.inference import predictor as inference
from convnext_dense.inference.predictor import Predictor
from convnext_dense.tasks import TASKS, ClassInfo
from tests.helpers.small_models import CLASSES, write_checkpoint, write_config
from tests.inference.test_predictor import scene

MEAN, STD = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))  # ImageNet's


@pytest.fixture(scope='module')
def predictors(tmp_path_factory) -> dict[str, Predictor]:
    folder: Path = tmp_path_factory.mktemp('models')
    made = {}
    for task in TASKS:
        config = write_config(task, folder)
        checkpoint = write_checkpoint(config, folder / f'{task}.pth', classes=CLASSES)
        made[task] = inference.load(config, checkpoint, device='cpu', data='sample')
    return made


def images_of(*sizes: tuple[int, int]) -> torch.Tensor:
    """(N, 3, H, W), RGB from 0 to 255."""
    return torch.stack(
        [torch.from_numpy(scene(*size, seed=i).copy()).permute(2, 0, 1).float() for i, size in enumerate(sizes)]
    )


@pytest.mark.parametrize('size', [1, 2, 3, 6])
def test_average_pool_is_torchs_adaptive_one(size):
    for height, width in zip(range(1, 41), [7, 12, 5, 1] * 10, strict=True):
        x = torch.randn(2, 3, height, width)
        assert torch.allclose(AveragePool(size)(x), F.adaptive_avg_pool2d(x, size), atol=1e-6)


def test_normalization_is_inside(predictors):
    predict = predictors['classification']
    images = images_of((48, 48), (48, 48))
    with torch.no_grad():
        expected = predict.model((images / 255 - MEAN) / STD)
        (logits,) = predict.graph()(images)
        (probabilities,) = predict.graph('probabilities')(images)
    assert torch.allclose(logits, expected, atol=1e-5)
    assert not torch.allclose(logits[0], logits[1], atol=0.01)
    assert torch.allclose(probabilities, expected.exp() / expected.exp().sum(dim=1, keepdim=True), atol=1e-6)


@pytest.mark.parametrize('task', TASKS)
def test_features_are_those_of_the_stages_normalized(predictors, task):
    model = predictors[task].model
    before = set(model.state_dict())
    images = images_of((80, 64))
    stages = []
    handles = [s[-1].register_forward_hook(lambda _, __, y: stages.append(y)) for s in model.backbone.stages]
    with torch.no_grad():
        model.backbone((images / 255 - MEAN) / STD)
        for handle in handles:
            handle.remove()
        features = predictors[task].graph('features')(images)
    assert set(model.state_dict()) == before
    for stride, feature, stage in zip((4, 8, 16, 32), features, stages, strict=True):
        assert feature.shape == (1, stage.shape[1], 64 // stride, 80 // stride)
        expected = F.layer_norm(stage.permute(0, 2, 3, 1), stage.shape[1:2], eps=1e-6).permute(0, 3, 1, 2)
        assert torch.allclose(feature, expected, atol=1e-4)


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


def test_backbones_without_stages_have_no_features(predictors):
    for config, backbone in (
        ('classification/convnext_iso_s', 'IsotropicConvNeXt'),
        ('roadmap/r50_12_gelu', 'RoadmapNet'),
    ):
        cfg = read_config(f'configs/{config}.py', needs_data=False)
        with torch.device('meta'):
            model = build_model(cfg)
        with pytest.raises(UserError, match=f'{backbone} has no features of four stages: take another'):
            Predictor(model, cfg, ClassInfo([], np.zeros((0, 3), np.uint8))).graph('features')
    with pytest.raises(UserError, match='--task-output labels: a model for classification has logits, probabilities'):
        predictors['classification'].graph('labels')
