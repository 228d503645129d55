"""Features of backbones, and outputs that there are not."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from convnext_dense.config.read import read_config
from convnext_dense.engine.building import build_model
from convnext_dense.errors import UserError
from convnext_dense.inference.predictor import Predictor
from convnext_dense.tasks import ClassInfo
from tests.helpers.small_models import CONFIGS
from tests.inference.test_predictor import scene

MEAN, STD = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))  # ImageNet's


def images_of(*sizes: tuple[int, int]) -> torch.Tensor:
    """(N, 3, H, W), RGB from 0 to 255."""
    return torch.stack(
        [torch.from_numpy(scene(*size, seed=i).copy()).permute(2, 0, 1).float() for i, size in enumerate(sizes)]
    )


@pytest.mark.parametrize('task', CONFIGS)
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
